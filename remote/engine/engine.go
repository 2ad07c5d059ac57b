package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"pss/remote/api"
)

// Spec says how a Runspace is opened.
type Spec struct {
	Shell            string   // absolute path of the shell
	Dir              string   // private folder (0700) that exists; the engine's command files and snapshot live there, and it names the processes
	WorkingDirectory string   // where the shell starts; if it is missing, the first of HOME and / that exists
	Environment      []string // the complete environment, NAME=VALUE
	Log              *slog.Logger
}

// Engine opens runspaces of one kind.
type Engine interface {
	// Name is what a session configuration calls the engine ("bash").
	Name() string
	// MaxPipelines is how many commands one Runspace runs at a time.
	MaxPipelines() int
	// Find returns the path of the shell, or an error if this computer lacks it.
	Find(path string) (string, error)
	// Open starts the shell and returns once it takes commands.
	Open(ctx context.Context, spec Spec) (Runspace, error)
}

// Runspace is a live shell that keeps its state between commands.
type Runspace interface {
	// Invoke starts a command. It fails at once while MaxPipelines run, on a
	// NUL byte in the script (CodeInvalidArgument) and after the end.
	Invoke(cmd Command, sink Sink) (Pipeline, error)
	// Close ends the shell and everything that its commands started, and
	// removes the engine's files. It returns when no process is left.
	Close() error
	// Done is closed when the shell ended for good without Close: the session
	// is Broken. Err then says why.
	Done() <-chan struct{}
	Err() error
	// Pid is the shell's process id, 0 while none runs.
	Pid() int
}

// Command is one command of a runspace.
type Command struct {
	Number    uint32 // unique within the runspace, names its files
	Script    string
	Arguments []string // $1 $2 …
	Argv      []string // instead of Script: one command whose argument boundaries are kept
	Input     bool     // has standard input; otherwise it reads /dev/null
}

// Sink takes the output of one command. Write may be called from two
// goroutines at once, one per stream.
type Sink interface {
	// Write takes output in order of arrival within its stream, and our
	// own warnings (api.KindWarning). It blocks while the buffer is full; data is
	// valid during the call only. An error means that nothing more can be
	// kept: the engine then stops the command.
	Write(kind api.Kind, data []byte) error
	// Late takes output that a background child wrote after End. It never blocks.
	Late(kind api.Kind, data []byte)
	// End is called exactly once, after all output until the command's end.
	End(Result)
}

// Pipeline is a running command.
type Pipeline interface {
	// Input is the write end of the command's standard input, nil without one.
	// Close is the end-of-file that the command sees; nothing else is. A Write
	// fails with syscall.EPIPE once the command has ended or closed its input.
	Input() io.WriteCloser
	// Stop is Ctrl-C: it ends the command by a ladder of signals, the last of
	// which ends the shell and starts it again from its snapshot. It returns
	// at once; more calls change nothing.
	Stop()
	// Done is closed after Sink.End returned.
	Done() <-chan struct{}
	// Quiet reports, after Done, whether nothing is left that could write to the
	// command's output: Sink.Late will not be called again.
	Quiet() bool
}

// Result says how a command ended.
type Result struct {
	Outcome  api.Outcome
	ExitCode int        // of Exited, Signaled and Stopped (130 where none was reported)
	Err      *api.Error // of Failed and Lost
}

var engines = map[string]Engine{}

// register adds an engine; each engine's file calls it from init. A duplicate panics.
func register(e Engine) {
	if _, ok := engines[e.Name()]; ok {
		panic(fmt.Sprintf("engine %s registered twice", e.Name()))
	}
	engines[e.Name()] = e
}

// Lookup returns the engine of that name.
func Lookup(name string) (Engine, bool) {
	e, ok := engines[name]
	return e, ok
}

// Names returns the names of all engines, unordered.
func Names() []string {
	names := make([]string, 0, len(engines))
	for n := range engines {
		names = append(names, n)
	}
	return names
}
