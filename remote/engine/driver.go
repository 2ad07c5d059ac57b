//go:build unix

package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"

	"pss/remote/planted"
	"pss/remote/platform"
)

// driver is what differs between the engines. All shell text may use @DIR@ (the
// quoted private folder), @PROMPT@ and @NUMBER@.
type driver struct {
	name   string
	find   []string          // names to look for
	argv   []string          // behind the shell's path
	run    string            // the word before a builtin that keeps the user's functions out
	call   string            // a file that runs a script (1) with arguments (2)
	nudge  string            // brings a prompt back that a setting suppresses
	alias  map[string]string // words of Argv that would otherwise end the shell
	hasErr bool              // knows DEBUG
	files  map[string]string // written into the private folder; "prelude" is sourced
}

// Name returns the name of the engine.
func (d *driver) Name() string { return d.name }

// MaxPipelines returns 1: a shell runs one command at a time.
func (d *driver) MaxPipelines() int { return 1 }

// Find returns the shell at path, or the first one of the usual folders.
func (d *driver) Find(path string) (string, error) {
	if path != "" {
		return exec.LookPath(path)
	}
	return platform.FindShell(d.find...)
}

// Open starts the shell.
func (d *driver) Open(ctx context.Context, spec Spec) (Runspace, error) {
	if spec.Shell == "" {
		p, err := d.Find("")
		if err != nil {
			return nil, err
		}
		spec.Shell = p
	}
	return openRunspace(ctx, d, spec)
}

// quote makes s one word of a shell command line.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quoteAll returns the words with a space before each.
func quoteAll(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteByte(' ')
		b.WriteString(quote(w))
	}
	return b.String()
}

// script returns the text of a command: Argv as a line on which nothing is
// expanded and no alias applies, while functions and builtins are still found.
func (d *driver) script(c Command) string {
	if len(c.Argv) == 0 {
		return c.Script
	}
	if a, ok := d.alias[c.Argv[0]]; ok {
		return a + quoteAll(c.Argv[1:])
	}
	return quoteAll(c.Argv)[1:]
}

// prompt returns PS1. Between the two control characters stand the nonce, the
// command's number, its code, the flags (with those to be set again), what is
// pending (x: an EXIT action, d: a DEBUG trap), and TMOUT.
func prompt(nonce string) string {
	return "\x1f" + nonce + " $__n ${__rc:-$?} $-${__f-} ${__ux:+x}${__dt:+d}. ${TMOUT-}\x1e"
}

// markFile sets the prompt. It is sourced because a shell that edits its lines
// would take the control characters in one for keys.
const markFile = "__p='@PROMPT@'\nPS1=$__p\n"

// write puts the driver's files into the private folder.
func (d *driver) write(dir, nonce string, number int) error {
	r := strings.NewReplacer("@DIR@", quote(dir), "@PROMPT@", prompt(nonce), "@NUMBER@", fmt.Sprint(number))
	files := maps.Clone(d.files)
	files["mark"] = markFile
	if planted.On("engine-exit-past-trap") {
		files["prelude"] = strings.NewReplacer(`\builtin trap - INT; `, "", `; \builtin : "${__pss_unset:?}"`, "").Replace(files["prelude"])
	}
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(r.Replace(text)), 0o600); err != nil {
			return fmt.Errorf("write engine file: %w", err)
		}
	}
	return nil
}

// preludeLine makes the shell source its prelude.
func (d *driver) preludeLine(dir string) string {
	return fmt.Sprintf("%s . %s\n", d.run, quote(dir+"/prelude"))
}

// restoreLine makes the shell take its state from the snapshot. readonly is
// caught in sh so that our own names never become read-only again; bash's
// snapshot leaves them out. The prompt behind it comes even if the snapshot fails.
func (d *driver) restoreLine(dir string) string {
	before := ""
	if d.name != "bash" {
		before = "alias readonly=__ro; "
	}
	return fmt.Sprintf("%s%s . %s >/dev/null 2>&1; __n=1 __rc=; %s . %s\n",
		before, d.run, quote(dir+"/snapshot"), d.run, quote(dir+"/mark"))
}

// scriptHead is the first line of a script file. Emptying the file base.began is
// the proof that the script runs: a redirection without a command cannot be
// shadowed by anything, and needs neither an inode nor a block. Should it fail all
// the same (no descriptor is left), nothing of the script may run, or the second
// attempt in a fresh shell would be a double run.
func (d *driver) scriptHead(base string, last mark) string {
	head := fmt.Sprintf(">|%s || %s return 126", quote(base+".began"), d.run)
	if planted.On("engine-no-begin-mark") {
		head = ":"
	}
	if f := last.traced(); f != "" {
		head += fmt.Sprintf("; __f=; %s set -%s", d.run, f)
	}
	if last.debug && d.hasErr {
		head += fmt.Sprintf(`; { %s trap -- "$__dt" DEBUG; } 2>/dev/null`, d.run)
	}
	return head + "\n"
}

// quiet switches off, outside the command's redirections, what would show our
// own words in the command's streams.
func (d *driver) quiet(last mark) string {
	s := ""
	if f := last.traced(); f != "" {
		s += fmt.Sprintf("; %s set +x +v; __f=%s", d.run, f)
	}
	if last.debug && d.hasErr {
		s += fmt.Sprintf("; %s trap - DEBUG", d.run)
	}
	return s
}

// commandLine runs the script of base, whose number is n.
func (d *driver) commandLine(n, base, in string, called bool, last mark) string {
	file := base + ".sh"
	if called {
		file = base + ".call"
	}
	q := quote(base)
	return fmt.Sprintf("__n=%s __rc= __d=%s%s; { %s . %s; } <%s >|%s 2>|%s; __rc=${__rc:-$?}; PS1=$__p\n",
		n, q, d.quiet(last), d.run, quote(file), quote(in), quote(base+".out"), quote(base+".err"))
}

// exitLine runs the EXIT action that the command left, with the command's code
// in $?; an exit in it changes the code, anything else does not.
func (d *driver) exitLine(n, base string, code int, last mark) string {
	how := fmt.Sprintf(`__st %d || %s eval "$__e"`, code, d.run)
	if code == 0 {
		how = fmt.Sprintf(`%s eval "$__e"`, d.run)
	}
	return fmt.Sprintf("__n=%s __rc=%d __e=$__ux; %s unset __ux%s; { %s; } </dev/null >|%s 2>|%s; PS1=$__p\n",
		n, code, d.run, d.quiet(last), how, quote(base+".out"), quote(base+".err"))
}

// nudgeLine asks a shell that came to its prompt without our mark for one.
func (d *driver) nudgeLine(n, dir string) string {
	return fmt.Sprintf("\n__rc=${__rc:-$?}; __n=%s PS2=; %s%s . %s\n", n, d.nudge, d.run, quote(dir+"/mark"))
}
