//go:build unix

package enginetest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// result is all that can be seen of a script that ran.
type result struct {
	Out, Err string
	Code     int
	Files    map[string]string
}

// testOracle runs each script in a session and as a script of its own.
func (s *suite) testOracle(t *testing.T) {
	for _, q := range corpus {
		if strings.HasPrefix(q.name, "bash:") && s.engine.Name() != "bash" {
			continue
		}
		t.Run(q.name, func(t *testing.T) {
			want, got := s.plain(t, q.script), s.driven(t, q.script)
			if k := q.known; k != nil {
				k(s, &want)
			}
			require.Equal(t, want, got, q.script)
		})
	}
}

// plain runs the script in a shell of its own.
func (s *suite) plain(t *testing.T, script string) result {
	t.Helper()
	work := t.TempDir()
	file := filepath.Join(t.TempDir(), "1.sh")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	var out, errs bytes.Buffer
	cmd := exec.Command(s.shell, file)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = work, append(environment(work), "PWD="+work), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{normal(out.String(), work), normal(errs.String(), work), cmd.ProcessState.ExitCode(), files(t, work)}
}

// driven runs the script in a session.
func (s *suite) driven(t *testing.T, script string) result {
	t.Helper()
	ss := s.open(t)
	o := ss.run(script)
	return result{normal(o.out, ss.work), normal(o.err, ss.work), o.ExitCode, files(t, ss.work)}
}

// prefix is what shells put before a message: their name, the file, the line.
var prefix = regexp.MustCompile(`(?m)^(\S*(bash|sh): )?(\d+: )?(\S*\d\.sh: )?(line \d+: |\d+: )?`)

// normal removes what must differ.
func normal(s, work string) string {
	return prefix.ReplaceAllString(strings.ReplaceAll(s, work, "WORK"), "")
}

// files returns the contents of all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, err := os.ReadFile(p)
			all[p[len(dir):]] = string(b)
			return err
		}
		return err
	}))
	return all
}

// question is a script of the corpus. known changes what the plain shell gives
// into what a session gives, where that is known to differ.
type question struct {
	name, script string
	known        func(*suite, *result)
}

// The known differences.
var (
	// An expansion error ends a session's command with the code that an
	// interactive shell gives it.
	expansionCode = func(s *suite, r *result) {
		if s.bash {
			r.Code = 1
		}
	}
	// An interactive bash prints one + more before each traced line of a sourced file.
	deeperTrace = func(s *suite, r *result) {
		if s.bash {
			r.Err = regexp.MustCompile(`(?m)^\+`).ReplaceAllString(r.Err, "++")
		}
	}
)

var (
	// A bash script reports a child that was killed, a session does not.
	noReport = func(s *suite, r *result) {
		if s.bash {
			r.Err = ""
		}
	}
	// trap is a function, and the script is sourced: both return with a RETURN trap.
	returnTrap = func(_ *suite, r *result) { r.Out = "RET\n" + r.Out + "RET\n" }
	// The shell reads its lines from a pipe, which $- tells.
	readsInput = func(_ *suite, r *result) { r.Out = strings.Replace(r.Out, "hB", "hBs", 1) }
)

var corpus = []question{
	{name: "echo", script: "echo hello; echo err >&2"},
	{name: "exit", script: "echo a; exit 7; echo b"},
	{name: "exit in function", script: "f() { echo f; exit 3; }; f; echo no"},
	{name: "exit in loop", script: "for i in 1 2 3; do echo $i; [ $i = 2 ] && exit 5; done"},
	{name: "exit in pipe", script: "echo x | { read a; echo $a; exit 4; }; echo $?"},
	{name: "exit in and-or", script: "false || exit 3; echo no"},
	{name: "exit in subshell", script: "(exit 9); echo $?; exit 2"},
	{name: "exit in substitution", script: "x=$(echo y; exit 6); echo $? $x"},
	{name: "exit in condition", script: "if exit 3; then echo no; fi"},
	{name: "exit without code", script: "(exit 5); exit"},
	{name: "exit in eval", script: "eval 'exit 4'; echo no"},
	{name: "exit in sourced file", script: "echo 'echo in; exit 5' >inc; . ./inc; echo no"},
	{name: "exit non-numeric", script: "exit abc"},
	{name: "exit in background", script: "(exit 3) & wait $!; echo $?"},
	{name: "exit in case", script: "case a in a) exit 4;; esac; echo no"},
	{name: "exit in until", script: "until exit 2; do :; done"},
	{name: "exit 256", script: "exit 256"},
	{name: "exit redirect", script: "{ echo in; exit 3; } >file; echo no"},
	{name: "errexit", script: "set -e; echo a; false; echo no"},
	{name: "errexit function", script: "set -e; f() { false; echo no; }; f; echo no"},
	{name: "errexit condition", script: "set -e; if false; then :; fi; false || echo or; echo end"},
	{name: "errexit subshell", script: "set -e; (false); echo no"},
	{name: "errexit pipeline", script: "set -e; false | true; echo a; true | false; echo no"},
	{name: "errexit assignment", script: "set -e; x=$(false); echo no"},
	{name: "errexit trap", script: "set -e; trap 'echo bye $?' EXIT; (exit 3); echo no"},
	{name: "exit trap", script: "trap 'echo bye' EXIT; echo hi"},
	{name: "exit trap code", script: "trap 'echo bye $?; exit 9' EXIT; exit 3"},
	{name: "exit trap keeps code", script: "trap 'true' EXIT; exit 3"},
	{name: "exit trap function", script: "clean() { rm -f tmp; echo cleaned; }; trap clean EXIT; : >tmp; exit 2"},
	{name: "exit trap failing", script: "trap false EXIT; true"},
	{name: "trap in subshell", script: "trap 'echo outer' EXIT; (trap 'echo inner' EXIT; echo sub)"},
	{name: "trap reset", script: "trap 'echo no' EXIT; trap - EXIT; echo end"},
	{name: "trap signals", script: "trap 'echo usr1' USR1; kill -USR1 $$; echo end"},
	{name: "trap and exit", script: "trap 'echo t; exit 4' USR1; kill -USR1 $$; echo no"},
	{name: "trap list", script: "trap 'echo a' USR1; trap; trap - USR1; trap"},
	{name: "trap bad signal", script: "trap 'echo a' NOSUCH; echo $?"},
	{name: "arithmetic", script: "echo $((3*7+1)); i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done"},
	{name: "quoting", script: `echo "a  b" 'c"d' e\ f "$(printf '%s' "g 'h'")"`},
	{name: "globs", script: "touch a1 a2 b1; echo a* ?1 [b]*; echo 'a*'"},
	{name: "here documents", script: "x=1; cat <<A; cat <<'B'\nv $x\nA\nv $x\nB"},
	{name: "pipes", script: "printf '3\\n1\\n2\\n' | sort | tr '\\n' ' '"},
	{name: "pipe status", script: "true | false; echo $?; ! true; echo $?"},
	{name: "redirections", script: "echo a >f; echo b >>f; cat <f; echo c 2>&1 >/dev/null; cat nofile 2>/dev/null; echo $?"},
	{name: "many descriptors", script: "exec 3>f3 4>f4; echo three >&3; echo four >&4; exec 3>&- 4>&-; cat f3 f4"},
	{name: "swap streams", script: "{ echo o; echo e >&2; } 3>&1 1>&2 2>&3"},
	{name: "not found", script: "nosuchcommand_x; echo $?"},
	{name: "not executable", script: ": >f; ./f; echo $?"},
	{name: "syntax error", script: "echo a\nif then\necho b"},
	{name: "unterminated", script: "echo a\nfor i in 1; do echo $i"},
	{name: "unset variable", script: "set -u; echo a; echo $nope; echo no", known: expansionCode},
	{name: "error expansion", script: "echo ${nope:?gone}; echo no", known: expansionCode},
	{name: "default expansion", script: "echo ${a:-d} ${b=e} $b ${b:+f} ${#b}"},
	{name: "pattern expansion", script: "p=/a/b.c.d; echo ${p##*/} ${p%.*} ${p%%.*} ${p#*/}"},
	{name: "positional", script: "set -- a 'b c' d; echo $# \"$2\"; shift; echo \"$*\" \"$@\""},
	{name: "getopts", script: "set -- -a -b x y; while getopts ab: o; do echo $o $OPTARG; done; echo $OPTIND"},
	{name: "functions", script: "f() { echo $# $1; return 3; }; f a b; echo $?; unset -f f; f 2>/dev/null; echo $?"},
	{name: "recursion", script: "f() { [ $1 = 0 ] && return; echo $1; f $(($1-1)); }; f 4"},
	{name: "return in sourced file", script: "echo 'echo in; return 4; echo no' >inc; . ./inc; echo $?"},
	{name: "break and continue", script: "for i in 1 2 3; do for j in 1 2; do [ $j = 2 ] && continue 2; [ $i = 3 ] && break 2; echo $i$j; done; done"},
	{name: "read", script: "printf 'a b c\\nd\\n' | while read x y; do echo \"$x|$y\"; done; read z; echo $?"},
	{name: "ifs", script: "IFS=:; set -- $(echo a:b:c); echo $#; x=a:b; for i in $x; do echo $i; done"},
	{name: "background", script: "sleep 0.05 & p=$!; wait $p; echo $?; (sleep 0.05; exit 7) & wait $!; echo $?"},
	{name: "background output", script: "(echo bg) & wait; echo fg"},
	{name: "job output", script: "sleep 0 & sleep 0 & wait; echo end"},
	{name: "kill child", script: "sleep 60 & sleep 0.1; kill $!; wait $! 2>/dev/null; echo $?"},
	{name: "child by signal", script: "sh -c 'kill -9 $$'; echo $?", known: noReport},
	{name: "umask", script: "umask 077; : >f; ls -l f | cut -c1-10"},
	{name: "cd", script: "mkdir d; cd d; pwd; cd ..; pwd; cd /nonexistent_x 2>/dev/null; echo $?; cd -"},
	{name: "environment", script: "A=1; export B=2; C=3 sh -c 'echo $A-$B-$C'; env | grep -c '^__'"},
	{name: "shell words", script: "type cd; command -v echo; command -v nosuch_x; echo $?"},
	{name: "eval", script: "x='echo \"a  b\"; y=5'; eval \"$x\"; echo $y"},
	{name: "set", script: "set -f; echo *; set +f; set -o noclobber; echo a >f; (echo b >f) 2>/dev/null; echo $?; echo c >|f; cat f"},
	{name: "xtrace", script: "set -x; echo a; x=1", known: deeperTrace},
	{name: "verbose", script: "set -v\necho a\n"},
	{name: "command substitution", script: "echo $(echo a; echo b) `echo c`; echo \"$(printf 'a\\n\\n')\"."},
	{name: "printf", script: "printf '%s-%d-%x\\n' a 10 255; printf '%b' 'a\\tb\\n'"},
	{name: "test", script: "[ a = a ] && echo y; [ -z '' ] && echo z; test 1 -gt 2 || echo n; [ -d . ] && echo d"},
	{name: "large output", script: "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i; done"},
	{name: "binary", script: "printf '\\001\\000\\377\\036\\037'"},
	{name: "unusual words", script: "echo 'exit 3'; echo exit; echo \"trap\"; x=exit; echo $x"},
	{name: "no newline", script: "printf abc; exit 1"},
	{name: "comment at the end", script: "echo a # exit"},
	{name: "line continuation", script: "echo a \\\n b; exit \\\n 3"},
	{name: "empty", script: ""},
	{name: "carriage return", script: "echo a\r\necho b\r\n"},
	{name: "exec fails", script: "exec /nonexistent_x; echo no"},
	{name: "exec command", script: "exec sh -c 'echo e; exit 6'; echo no"},
	{name: "bash: arrays", script: "a=(1 'b c' 3); echo ${#a[@]} \"${a[1]}\"; declare -A m=([k]=v); echo ${m[k]}; a+=(4); echo \"${a[@]:2}\""},
	{name: "bash: conditional", script: "[[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}; [[ a == a* ]] && echo g; ((3>2)) && echo m"},
	{name: "bash: process substitution", script: "cat <(echo a) <(echo b); read x < <(echo c); echo $x"},
	{name: "bash: pipefail", script: "set -eo pipefail; false | true; echo no"},
	{name: "bash: err trap", script: "trap 'echo ERR $?' ERR; false; (exit 4); true; if false; then :; fi; echo end"},
	{name: "bash: err trap and errexit", script: "set -eE; trap 'echo ERR $?' ERR; f() { (exit 5); }; f; echo no"},
	{name: "bash: return trap", script: "f() { trap 'echo RET' RETURN; echo f; }; f; echo end", known: returnTrap},
	{name: "bash: debug trap", script: "trap 'echo D $BASH_COMMAND' DEBUG; echo a; :"},
	{name: "bash: here string", script: "cat <<<'a b'; read -r x y <<<\"1 2\"; echo $y"},
	{name: "bash: local", script: "f() { local x=1 y; x=2; echo $x; }; x=0; f; echo $x"},
	{name: "bash: mapfile", script: "mapfile -t l < <(printf 'a\\nb\\n'); echo ${#l[@]} ${l[1]}"},
	{name: "bash: lastpipe", script: "shopt -s lastpipe; echo a | read x; echo [$x]"},
	{name: "bash: coproc", script: "coproc cat; echo hi >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo $x; exec {COPROC[1]}>&-; wait"},
	{name: "bash: exit codes", script: "exit -1"},
	{name: "bash: exit many", script: "exit 1 2; echo on $?"},
	{name: "bash: trap print", script: "trap 'echo \"it'\\''s\"' EXIT; x=$(trap -p EXIT); echo \"$x\"; trap -p EXIT USR1"},
	{name: "bash: wait -n", script: "(exit 3) & wait -n; echo $?"},
	{name: "bash: select options", script: "shopt -s nullglob; echo x*; set -o | grep -c errexit; echo $-|tr -d i", known: readsInput},
	{name: "bash: funcname", script: "f() { echo ${FUNCNAME[0]}; }; f; declare -F f"},
}
