package verbs

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// CompleteCommand is the hidden word behind which the shells' completion functions
// call back: pss __complete -- WORD…
const CompleteCommand = "__complete"

// completeTime bounds a completion: what is not there by then is left out. A shell
// waits for it while somebody holds the Tab key.
const completeTime = 120 * time.Millisecond

// candidate is one way in which the word at the cursor may go on.
type candidate struct{ text, says string }

// Complete prints what the last of words may become, one candidate on a line, behind
// a tab what it is. The first word is the program as it was typed. A line that begins
// with a colon asks the shell to complete file names itself: ":files", or
// ":directories", a tab, what to put in front of each name, a tab, and the beginning
// of the name. It starts nothing, waits no longer than completeTime, and returns 0: a
// prompt has no place for an error.
func Complete(ctx context.Context, rt *Runtime, words []string) int {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	out := bufio.NewWriter(rt.Stdout)
	defer out.Flush()
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) < 2 {
		return 0
	}
	p := readPrompt(words)
	if p.want == wantFiles || p.want == wantDirectories {
		fmt.Fprintf(out, ":%s\t%s\t%s\n", p.want, p.before, p.typed)
		return 0
	}
	seen := map[string]bool{}
	for _, c := range p.candidates(ctx, rt) {
		// What a host calls its sessions may hold anything.
		if seen[c.text] || strings.ContainsFunc(c.text, unicode.IsControl) || !hasPrefixFold(c.text, p.typed) || p.has(c.text) {
			continue
		}
		seen[c.text] = true
		fmt.Fprintf(out, "%s%s\t%s\n", p.before, c.text, strings.Map(printable, c.says))
	}
	return 0
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

func hasPrefixFold(s, prefix string) bool {
	return len(prefix) <= len(s) && strings.EqualFold(s[:len(prefix)], prefix)
}

// candidates lists everything that fits the place of the cursor, whatever is typed.
func (p *prompt) candidates(ctx context.Context, rt *Runtime) []candidate {
	switch p.want {
	case wantCommand:
		return p.commands()
	case wantHelp:
		list := p.commands()
		for _, t := range topics() {
			text, _ := topicText(t, languageOf(rt.Getenv)) // without one it has no description
			list = append(list, candidate{t, shortDescription(text)})
		}
		return list
	case wantParameter:
		return p.parameters()
	case wantValue:
		var list []candidate
		for _, param := range p.params {
			list = append(list, p.values(ctx, rt, param)...)
		}
		return list
	}
	return nil
}

// commands lists the cmdlets in the spelling that was begun; aliases only for who
// has begun one.
func (p *prompt) commands() []candidate {
	var list []candidate
	pascal := strings.ContainsFunc(p.typed, unicode.IsUpper)
	for _, c := range sortedCommands() {
		name := strings.ToLower(c.name)
		if strings.Contains(name, " ") {
			continue // a command of another
		}
		if pascal {
			name = c.name
		}
		list = append(list, candidate{name, c.synopsis})
		if p.typed == "" {
			continue
		}
		for _, alias := range c.aliases {
			list = append(list, candidate{alias, "alias of " + name})
		}
	}
	if p.want == wantHelp {
		return list
	}
	help := "help"
	if pascal {
		help = "Get-Help"
	}
	return append(list, candidate{help, "Says what a command does, or about what a topic is."})
}

// parameters lists those that can still be given, in the spelling that was begun.
func (p *prompt) parameters() []candidate {
	var own, common []candidate
	for i := range p.cmd.params {
		q := &p.cmd.params[i]
		if !p.possible(q) {
			continue
		}
		c := candidate{"-" + q.Name, q.help}
		if p.kebab() {
			c.text = "--" + q.FlagName()
		}
		if q.Common {
			common = append(common, c)
		} else {
			own = append(own, c)
		}
	}
	if p.kebab() {
		common = append(common, candidate{"--help", "what the command does"})
	}
	return append(own, common...)
}

// kebab reports whether parameters are being spelled as flags: by the dashes that
// are there, else as the command was.
func (p *prompt) kebab() bool {
	if len(trimDashes(p.typed)) < len(p.typed) && p.typed != "-" {
		return strings.HasPrefix(p.typed, "--")
	}
	return !strings.ContainsFunc(p.verb, unicode.IsUpper)
}
