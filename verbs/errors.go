package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// fail prints err and returns the exit code for it. A nil error is 0.
func (rt *Runtime) fail(cmd *command, err error) int {
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	e := toError(err)
	rt.report(cmd, e)
	return codeOf(cmd, e)
}

// toError gives an error that did not come from pss its code.
func toError(err error) *api.Error {
	var e *api.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return api.Errorf(api.CodeTimedOut, "%v", err)
	case errors.Is(err, context.Canceled):
		return api.Errorf(api.CodeInterrupted, "interrupted")
	case client.IsBroken(err):
		return api.Errorf(api.CodeOutcomeUnknown, "%v", err)
	}
	return api.AsError(err)
}

// codeOf is the table of DESIGN 6: what passes a remote code on keeps its own
// codes apart from it, everybody else has plain ones too.
func codeOf(cmd *command, e *api.Error) int {
	code := e.ExitCode()
	if cmd != nil && passesCodes(cmd.name) {
		return code
	}
	switch {
	case e.Code == api.CodeUsage:
		return 2
	case e.Code == api.CodeInterrupted:
		return 130
	case code >= 240 && code <= 245:
		return code
	}
	return 1
}

func passesCodes(name string) bool { return name == "Invoke-Command" || name == "Receive-PSSession" }

// errorRecord is an error under --output json or ndjson.
type errorRecord struct {
	Error struct {
		*api.Error
		Activity    string
		ErrorSource string // always "pss": a remote command's failure is its exit code
	}
}

// report prints one error block, or one line of JSON.
func (rt *Runtime) report(cmd *command, e *api.Error) {
	if rt.noErrors || rt.stopping {
		return
	}
	activity := "pss"
	if cmd != nil {
		activity = cmd.name
	}
	if rt.machine() {
		var r errorRecord
		r.Error.Error, r.Error.Activity, r.Error.ErrorSource = e, activity, "pss"
		if data, err := json.Marshal(&r); err == nil {
			fmt.Fprintf(rt.Stderr, "%s\n", data)
			return
		}
	}
	writeErrorBlock(rt.Stderr, activity, e, rt.colours(rt.Stderr))
}

// writeErrorBlock prints PowerShell's shape of an error, and what to do next.
func writeErrorBlock(w io.Writer, activity string, e *api.Error, coloured bool) {
	target := ""
	if e.Target != "" {
		target = "(" + format.Sanitize(e.Target) + ") "
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", coloursOf(coloured, errorColour, activity+": "+cleanLines(e.Message)))
	fmt.Fprintf(&b, "    + CategoryInfo          : %s: %s[%s], %s\n", format.Sanitize(e.Category), target, activity, format.Sanitize(string(e.Code)))
	fmt.Fprintf(&b, "    + FullyQualifiedErrorId : %s\n", format.Sanitize(e.FullyQualifiedErrorID))
	if e.RecommendedAction != "" {
		fmt.Fprintf(&b, "    + RecommendedAction     : %s\n", cleanLines(e.RecommendedAction))
	}
	io.WriteString(w, b.String())
}

// cleanLines takes control characters out of what a host sent.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = format.Sanitize(l)
	}
	return strings.Join(lines, "\n      ")
}

// failures collects what went wrong with some of several targets.
type failures struct {
	rt    *Runtime
	cmd   *command
	mu    sync.Mutex // guards what follows
	last  *api.Error
	count int
	// instead does something with a session that could not be asked for, or is nil.
	instead func(SessionRef, error) error
}

// add reports an error at once; the other targets go on.
func (f *failures) add(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = toError(err)
	f.count++
	f.rt.report(f.cmd, f.last)
	if f.rt.stop != nil {
		f.rt.stopping = true
		f.rt.stop(errStopped)
	}
}

// result is the exit code: the one error's own when it was the only target.
func (f *failures) result(targets int) error {
	switch {
	case f.count == 0:
		return nil
	case targets <= 1:
		return exitCode(codeOf(f.cmd, f.last))
	}
	return exitCode(1)
}

// eachTarget delivers from all targets, limit at a time; with a single one the exit
// code is its own.
func eachTarget(f *failures, g *together, n, limit int, targets []*api.Session, run func(*api.Session) error) error {
	outcomes := each(targets, limit, func(_ int, s *api.Session) (exitCode, error) {
		err := run(s)
		code, remote := err.(exitCode)
		if !remote && n > 1 {
			f.add(err)
		}
		g.progress.finished(g.name(s), howEnded(err), err != nil)
		return code, err
	})
	if err := g.end(); err != nil {
		return err
	}
	if n == 1 && len(outcomes) == 1 {
		return outcomes[0].err
	}
	for _, o := range outcomes {
		if o.err != nil {
			return exitCode(1)
		}
	}
	return f.result(n)
}

// howEnded says for people how a delivery ended.
func howEnded(err error) string {
	code, remote := err.(exitCode)
	switch {
	case err == nil:
		return "done"
	case code == leftCode:
		return "left"
	case remote:
		return fmt.Sprintf("exit code %d", int(code))
	}
	return "failed"
}
