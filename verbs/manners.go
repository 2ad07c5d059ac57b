package verbs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"
	"pss/remote/api"
	"pss/remote/client"
)

// manners are what the common parameters ask of a cmdlet.
type manners struct {
	quiet      bool // no notes
	verbose    bool
	noInput    bool
	noErrors   bool // print none
	noWarnings bool
	noProgress bool
	stop       context.CancelCauseFunc // ends the cmdlet at its first error; nil: it goes on
	stopping   bool                    // it was called

	copyBinary        bool // --copy-binary
	whatIf, confirm   bool
	yesToAll, noToAll bool
}

// errStopped ends what is under way behind the first error, under -ErrorAction Stop.
var errStopped = errors.New("stopped by the first error")

func silent(action string) bool { return action == "SilentlyContinue" || action == "Ignore" }

// carryOut runs the cmdlet with the manners that its command line asks for.
func (rt *Runtime) carryOut(ctx context.Context, in *input) error {
	if err := rt.setOutput(in); err != nil {
		return err
	}
	rt.manners = manners{
		quiet: in.Bool("quiet"), verbose: in.Bool("verbose"), noInput: in.Bool("no-input") || rt.Getenv("PSS_NO_INPUT") != "",
		noErrors: silent(in.String("error-action")), noWarnings: silent(in.String("warning-action")), noProgress: silent(in.String("progress-action")),
	}
	rt.copyBinary = in.Bool("copy-binary")
	rt.readTrust(in)
	if in.cmd.should {
		rt.whatIf, rt.confirm = in.Bool("what-if"), in.Bool("confirm")
	}
	if in.String("error-action") == "Stop" {
		stopping, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		ctx, rt.stop = stopping, stop
	}
	rt.noteIgnored(in)
	defer rt.asks.end()
	return in.cmd.run(ctx, rt, in)
}

// noteIgnored says under --verbose which parameters change nothing.
func (rt *Runtime) noteIgnored(in *input) {
	if !rt.verbose {
		return
	}
	for i := range in.cmd.params {
		if p := &in.cmd.params[i]; p.unused != "" && in.given(p.FlagName()) {
			rt.say("--%s changes nothing here: %s", p.FlagName(), p.unused)
		}
	}
}

// tell writes a note for people to standard error.
func (rt *Runtime) tell(format string, args ...any) {
	if !rt.quiet && !rt.machine() {
		fmt.Fprintf(rt.Stderr, format+"\n", args...)
	}
}

// say writes what only --verbose shows.
func (rt *Runtime) say(format string, args ...any) {
	if rt.verbose {
		fmt.Fprintf(rt.Stderr, "VERBOSE: "+format+"\n", args...)
	}
}

// traceRequests says what is asked of the agent, under an id that the logs of agent
// and host show too.
func (rt *Runtime) traceRequests() {
	id := uuid.NewString()[:8]
	rt.agent.Header.Set(api.HeaderRequestID, id)
	var mu sync.Mutex // several computers may be asked at once
	rt.agent.Trace = func(t client.Trace) {
		mu.Lock()
		defer mu.Unlock()
		rt.say("%s %s %s: %d in %s", id, t.Method, t.Path, t.Status, t.Took.Round(100*time.Microsecond))
	}
}

// canAsk reports whether somebody is there to answer.
func (rt *Runtime) canAsk() bool { return !rt.noInput && rt.stdinTerminal() }

// ask asks a yes-or-no question and takes everything but yes as no.
func (rt *Runtime) ask(question string) bool {
	answer := rt.answer(question + " [y/N] ")
	return answer == "y" || answer == "yes"
}

// answer writes a question and returns the answer in small letters; the end of the
// input is no.
func (rt *Runtime) answer(question string) string {
	fmt.Fprint(rt.Stderr, question)
	line, err := bufio.NewReader(rt.Stdin).ReadString('\n')
	if err != nil {
		fmt.Fprintln(rt.Stderr)
		return "no"
	}
	return strings.ToLower(strings.TrimSpace(line))
}

// should reports whether the cmdlet is to do action to target: -WhatIf only says
// what would be done, -Confirm asks. A question that nobody can answer is an error.
func (rt *Runtime) should(action, target string) (bool, error) {
	switch {
	case rt.whatIf:
		fmt.Fprintf(rt.Stderr, "What if: Performing the operation %q on target %q.\n", action, target)
		return false, nil
	case !rt.confirm || rt.yesToAll:
		return true, nil
	case rt.noToAll:
		return false, nil
	case !rt.canAsk():
		return false, usage("ConfirmationRequired", "--confirm asks before %q on %q, and nobody is there to answer", action, target).
			Hint("run it in a terminal, or leave --confirm out")
	}
	question := fmt.Sprintf("Confirm\nPerforming the operation %q on target %q.\n[Y] Yes  [A] Yes to All  [N] No  [L] No to All  (default is \"Y\"): ", action, target)
	for {
		switch rt.answer(question) {
		case "", "y", "yes":
			return true, nil
		case "a":
			rt.yesToAll = true
			return true, nil
		case "n", "no":
			return false, nil
		case "l":
			rt.noToAll = true
			return false, nil
		}
		question = "[Y] Yes  [A] Yes to All  [N] No  [L] No to All: "
	}
}

// The colours of PowerShell 7 on a terminal.
const (
	errorColour   = "\x1b[31;1m"
	warningColour = "\x1b[33;1m"
	plainColour   = "\x1b[0m"
)

// coloursOf paints text, where that is wanted.
func coloursOf(wanted bool, colour, text string) string {
	if !wanted {
		return text
	}
	return colour + text + plainColour
}

// colours reports whether what is written to f may be coloured.
func (rt *Runtime) colours(f any) bool {
	file, ok := f.(*os.File)
	return ok && rt.Getenv("NO_COLOR") == "" && rt.Getenv("TERM") != "dumb" && !rt.machine() && term.IsTerminal(int(file.Fd()))
}
