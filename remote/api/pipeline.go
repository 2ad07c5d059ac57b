package api

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// PipelineState is PowerShell's PSInvocationState, as far as pss uses it.
type PipelineState string

// The pipeline states. Lost is ours: the engine or its computer ended first.
const (
	PipelineRunning   PipelineState = "Running"
	PipelineStopping  PipelineState = "Stopping"
	PipelineStopped   PipelineState = "Stopped"
	PipelineCompleted PipelineState = "Completed"
	PipelineFailed    PipelineState = "Failed"
	PipelineLost      PipelineState = "Lost"
)

// Pipeline is what is known of one command of a session.
type Pipeline struct {
	ID         string        // a GUID, chosen by the client: a repeated start attaches
	Number     uint32        // the session's own count, from 1; Record.Pipeline
	Digest     string        // of the start request, so that a retry is told from a clash
	Command    string        // the first 256 characters of the script
	State      PipelineState // facts, not a view
	Outcome    Outcome       `json:",omitempty"`
	ExitCode   *int          `json:",omitempty"` // of a command that reported one
	InputState InputState    // where its standard input stands
	InputBytes int64         `json:",omitempty"` // received so far
	Blocked    bool          `json:",omitempty"` // waits for a reader (Block)
	Dropping   bool          `json:",omitempty"` // discards its oldest output (Drop)
	LastSeq    uint64        // the newest record
	Acked      uint64        // all records up to here are acknowledged
	Bytes      int64         `json:",omitempty"` // data bytes of the unread records
	Began      time.Time     // wall clock
	Ended      *time.Time    `json:",omitempty"`
	Reason     string        `json:",omitempty"` // of Failed and Lost
	// OnFinish is a shell command that runs once on the host when this one has
	// ended; Told says that it was started.
	OnFinish string `json:",omitempty"`
	Told     bool   `json:",omitempty"`
}

// Running reports whether the pipeline has not ended.
func (p *Pipeline) Running() bool {
	return p.State == PipelineRunning || p.State == PipelineStopping
}

// Unread reports whether records of the pipeline wait for a receiver.
func (p *Pipeline) Unread() bool { return p.LastSeq > p.Acked }

// Outcome says how a pipeline ended, or why that is not known.
type Outcome string

// The outcomes. Everything but Exited and Stopped comes with a reason.
const (
	OutcomeExited   Outcome = "Exited"   // with ExitCode
	OutcomeSignaled Outcome = "Signaled" // ended by a signal; ExitCode is 128 + its number
	OutcomeStopped  Outcome = "Stopped"  // by Ctrl-C, Stop-PSSession or Remove-PSSession
	OutcomeFailed   Outcome = "Failed"   // never ran: EngineDamaged, SpoolDiskFull …
	OutcomeLost     Outcome = "Lost"     // engine or computer ended first
)

// PipelineEnd is the data of a KindEnd record.
type PipelineEnd struct {
	Outcome  Outcome
	ExitCode *int   `json:",omitempty"`
	Error    *Error `json:",omitempty"`
}

// Gap is the data of a KindGap record: what is missing at its place.
type Gap struct {
	Records uint64
	Bytes   int64
	Reason  string `json:",omitempty"` // "Dropped", or "Damaged" after a repair
}

// InputMode says what a pipeline's standard input is.
type InputMode string

// The input modes. Stored takes all input before the client detaches.
const (
	InputModeNone   InputMode = ""
	InputModeStream InputMode = "Stream"
	InputModeStored InputMode = "Stored"
)

// Command is what a client asks a session to run: Script, or Argv as it is.
type Command struct {
	Script    string    `json:",omitempty"`
	Arguments []string  `json:",omitempty"` // $1 $2 … of Script
	Argv      []string  `json:",omitempty"` // one command whose argument boundaries are kept
	Input     InputMode `json:",omitempty"`
	// OnFinish runs once on the host when the command has ended.
	OnFinish string `json:",omitempty"`
}

// Text returns the command as PowerShell lists it.
func (cmd *Command) Text() string {
	if len(cmd.Argv) > 0 {
		return strings.Join(cmd.Argv, " ")
	}
	return cmd.Script
}

// Excerpt returns the first 256 characters of text.
func Excerpt(text string) string {
	n := 0
	for i := range text {
		if n++; n > 256 {
			return text[:i]
		}
	}
	if !utf8.ValidString(text) {
		return strconv.Quote(text)
	}
	return text
}

// StreamRequest opens an attachment's connection. With Start it also starts the
// pipeline named by Pipeline, once: a repeated request attaches to it.
type StreamRequest struct {
	Stream   string            // names this delivery: a resumption replaces the broken connection
	Epoch    uint64            // the attachment's; a stale one is refused
	Pipeline string            `json:",omitempty"` // GUID; empty: every unread pipeline, in order
	Start    *Command          `json:",omitempty"`
	After    map[uint32]uint64 `json:",omitempty"` // resume behind these records, per pipeline number
	Replay   bool              `json:",omitempty"` // from the first record that is kept
	// InputOnly sends standard input and takes no output: KindDone comes once
	// all of it is stored on the host.
	InputOnly bool `json:",omitempty"`
	// KeepInput says that the client means to leave the input open when it has sent
	// what it has: it is not Interrupted then.
	KeepInput bool `json:",omitempty"`
	// Peek reads without taking: nothing is acknowledged, no attachment is needed,
	// and whoever holds the session or receives its output is not disturbed.
	Peek bool `json:",omitempty"`
	// NoWait delivers what is there and does not wait for the end of a command.
	NoWait bool `json:",omitempty"`
	// Tail begins with the last so many lines of all that is kept, Since with the
	// first record of that time or later; both go with Peek.
	Tail  int        `json:",omitempty"`
	Since *time.Time `json:",omitempty"`
}

// StreamHello is the session host's first frame on an attachment.
type StreamHello struct {
	Version   string
	Pipelines []Pipeline // what will be delivered, in this order
	Last      *Pipeline  `json:",omitempty"` // the newest finished one, when nothing is unread
	Input     int64      `json:",omitempty"` // bytes of standard input that arrived so far
	// HeartbeatMs is the longest silence of the session host; 0 for an old one.
	HeartbeatMs int64 `json:",omitempty"`
	// SkipLines is how many lines a reader of Tail has to leave out at the beginning
	// of what is delivered: records do not end where lines do.
	SkipLines int `json:",omitempty"`
	// Connection is what the client that holds the session has set for itself.
	Connection *ConnectionOption `json:",omitempty"`
}

// StartRequest starts a pipeline without taking its output.
type StartRequest struct {
	Epoch   uint64
	Command Command
}

// AckRequest acknowledges records over plain HTTP (scripts, curl).
type AckRequest struct {
	Epoch uint64
	Seq   uint64
}

// SignalRequest asks for a signal to a running pipeline.
type SignalRequest struct {
	Epoch  uint64
	Signal string // "INT"
}
