//go:build pss_scripted

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
)

// scripted is an engine for tests: it gives what no shell gives, records of every
// kind in a known order. One line of its scripts is one step:
//
//	output TEXT       a record of that kind; also error, and as messages without a
//	                  newline warning, verbose, debug, information, progress
//	await FILE        goes on once the file exists
//	exit CODE         ends the command with that code
//	fail TEXT         ends it without one
type scripted struct{}

func init() { register(scripted{}) }

// Name returns "scripted".
func (scripted) Name() string { return "scripted" }

// MaxPipelines returns 1.
func (scripted) MaxPipelines() int { return 1 }

// Find returns a name: there is no shell to be found.
func (scripted) Find(string) (string, error) { return "scripted", nil }

// Open returns a runspace without a process.
func (scripted) Open(context.Context, Spec) (Runspace, error) {
	return &scriptedRunspace{done: make(chan struct{})}, nil
}

type scriptedRunspace struct {
	done chan struct{} // never closed: nothing can break it

	mu     sync.Mutex // guards what follows
	cur    *scriptedPipeline
	closed bool
}

// Invoke starts a script.
func (r *scriptedRunspace) Invoke(c Command, sink Sink) (Pipeline, error) {
	if strings.ContainsRune(c.Script, 0) {
		return nil, api.Errorf(api.CodeInvalidArgument, "a command must not contain NUL bytes")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, api.Errorf(api.CodeLost, "the runspace is closed")
	case r.cur != nil && !r.cur.over():
		return nil, api.Errorf(api.CodeInvalidAvail, "the runspace runs another command")
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &scriptedPipeline{sink: sink, stop: stop, done: make(chan struct{})}
	if c.Input {
		p.input = discardCloser{io.Discard}
	}
	r.cur = p
	go p.run(ctx, c.Script)
	return p, nil
}

// Close stops what runs.
func (r *scriptedRunspace) Close() error {
	r.mu.Lock()
	r.closed = true
	cur := r.cur
	r.mu.Unlock()
	if cur != nil {
		cur.stop()
		<-cur.done
	}
	return nil
}

// Done is never closed.
func (r *scriptedRunspace) Done() <-chan struct{} { return r.done }

// Err returns nil.
func (r *scriptedRunspace) Err() error { return nil }

// Pid returns 0: there is no shell.
func (r *scriptedRunspace) Pid() int { return 0 }

type scriptedPipeline struct {
	sink  Sink
	input io.WriteCloser
	stop  context.CancelFunc
	done  chan struct{}
}

type discardCloser struct{ io.Writer }

// Close does nothing: no script reads its input.
func (discardCloser) Close() error { return nil }

var scriptedKinds = map[string]api.Kind{
	"output": api.KindOutput, "error": api.KindError, "warning": api.KindWarning, "verbose": api.KindVerbose,
	"debug": api.KindDebug, "information": api.KindInformation, "progress": api.KindProgress,
}

// errScripted ends a script.
var errScripted = errors.New("ended")

func (p *scriptedPipeline) run(ctx context.Context, script string) {
	defer close(p.done)
	defer p.stop()
	result := Result{Outcome: api.OutcomeExited}
	for line := range strings.Lines(script) {
		if err := p.step(ctx, strings.TrimSuffix(line, "\n"), &result); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		result = Result{Outcome: api.OutcomeStopped, ExitCode: 130}
	}
	p.sink.End(result)
}

// step does what one line says; an error ends the script.
func (p *scriptedPipeline) step(ctx context.Context, line string, result *Result) error {
	word, text, _ := strings.Cut(line, " ")
	if kind, ok := scriptedKinds[word]; ok {
		if err := ctx.Err(); err != nil {
			return err
		}
		if kind == api.KindOutput || kind == api.KindError {
			text += "\n" // the other streams' records are messages
		}
		return p.sink.Write(kind, []byte(text))
	}
	fail := func(format string, args ...any) error {
		*result = Result{Outcome: api.OutcomeFailed, Err: api.Errorf(api.CodeEngine, format, args...)}
		return errScripted
	}
	switch word {
	case "":
		return nil
	case "await":
		for {
			if _, err := os.Stat(text); err == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
	case "exit":
		code, err := strconv.Atoi(text)
		if err != nil {
			return fail("%v", fmt.Errorf("exit: %w", err))
		}
		result.ExitCode = code
		return errScripted
	case "fail":
		return fail("%s", text)
	}
	return fail("the scripted engine does not know %q", word)
}

// over reports whether the script has ended.
func (p *scriptedPipeline) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Input takes everything, if the command has one.
func (p *scriptedPipeline) Input() io.WriteCloser { return p.input }

// Stop ends the script before its next step.
func (p *scriptedPipeline) Stop() { p.stop() }

// Done is closed once the end was told.
func (p *scriptedPipeline) Done() <-chan struct{} { return p.done }

// Quiet returns true: no background child exists.
func (p *scriptedPipeline) Quiet() bool { return true }

var (
	_ Engine   = scripted{}
	_ Runspace = (*scriptedRunspace)(nil)
	_ Pipeline = (*scriptedPipeline)(nil)
)
