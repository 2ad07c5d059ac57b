package verbs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// defaultRetryWindow is PowerShell's: how long a lost connection is tried again.
const defaultRetryWindow = 4 * time.Minute

// delivery writes what a session sends to our own streams and knows in the end
// how its last command ended.
type delivery struct {
	rt       *Runtime
	group    *together
	session  *api.Session // known parts of it, for JSON
	out, err *bufio.Writer
	end      *api.PipelineEnd
	last     *api.Pipeline   // the newest finished one when we began, for when none ends here
	records  []any           // under --output json, what is not in the array yet
	running  map[uint32]bool // commands that have not ended as far as we know
	skip     int             // lines to leave out: we asked for the last ones
	begun    bool            // something was delivered: a later hello is a resumption's
	stamps   bool            // begin each line with its time
	limits   client.Limits
	open     [2]bool // standard output, error: the last line has not ended
}

func newDelivery(g *together, s *api.Session) *delivery {
	return &delivery{
		rt: g.rt, group: g, session: s,
		out: bufio.NewWriterSize(g.writer(g.rt.Stdout, s), 32<<10), err: bufio.NewWriterSize(g.writer(g.rt.Stderr, s), 4<<10),
	}
}

// Hello notes what the session host will send.
func (d *delivery) Hello(h *api.StreamHello) {
	d.last = h.Last
	d.limits.Set(h.Connection)
	if !d.begun {
		d.skip = h.SkipLines
	}
	d.running = map[uint32]bool{}
	for i := range h.Pipelines {
		if p := &h.Pipelines[i]; p.Running() {
			d.running[p.Number] = true
		}
	}
}

// unfinished reports whether a command goes on whose output we have.
func (d *delivery) unfinished() bool { return len(d.running) > 0 }

// Record writes one record to the stream it belongs to.
func (d *delivery) Record(rec api.Record) error {
	d.begun = true
	if err := d.limits.Take(&rec, d.session.Runspace.Name); err != nil {
		return err
	}
	if rec.Kind == api.KindOutput || rec.Kind == api.KindError {
		if rec.Data = d.skipLines(rec.Data); len(rec.Data) == 0 {
			return nil
		}
	}
	if rec.Kind == api.KindEnd {
		delete(d.running, rec.Pipeline)
		d.end = &api.PipelineEnd{}
		if err := json.Unmarshal(rec.Data, d.end); err != nil {
			return fmt.Errorf("end of pipeline %d: %w", rec.Pipeline, err)
		}
	}
	if d.rt.machine() {
		return d.record(rec)
	}
	switch rec.Kind {
	case api.KindOutput:
		return d.to(d.out, d.err, d.stamped(&rec, &d.open[0]))
	case api.KindError:
		return d.to(d.err, d.out, d.stamped(&rec, &d.open[1]))
	case api.KindWarning, api.KindVerbose, api.KindDebug, api.KindInformation:
		return d.message(kindLabel[rec.Kind], string(rec.Data))
	case api.KindGap:
		var g api.Gap
		if err := json.Unmarshal(rec.Data, &g); err != nil {
			return err
		}
		return d.message("WARNING", fmt.Sprintf("%d records (%d bytes) are missing here: %s", g.Records, g.Bytes, g.Reason))
	}
	return nil // kinds of a later version, and those that are no text
}

var kindLabel = map[api.Kind]string{api.KindWarning: "WARNING", api.KindVerbose: "VERBOSE", api.KindDebug: "DEBUG", api.KindInformation: "INFO"}

// to writes to w after other: on a terminal the order of arrival is kept.
func (d *delivery) to(w, other *bufio.Writer, data []byte) error {
	if err := other.Flush(); err != nil {
		return writeFailed(err)
	}
	_, err := w.Write(data)
	return writeFailed(err)
}

func (d *delivery) message(label, text string) error {
	return d.to(d.err, d.out, []byte(label+": "+format.Sanitize(text)+"\n"))
}

// Flush returns once everything is written out.
func (d *delivery) Flush() error {
	if planted.On("ack-before-write") {
		return nil
	}
	if len(d.records) > 0 {
		if err := d.group.add(d.records...); err != nil {
			return err
		}
		d.records = nil
	}
	if err := d.out.Flush(); err != nil {
		return writeFailed(err)
	}
	return writeFailed(d.err.Flush())
}

// writeFailed is an error of our own standard output: nothing more is
// acknowledged, so a later receive brings it again.
func writeFailed(err error) error {
	if e := (*api.Error)(nil); err == nil || errors.As(err, &e) {
		return err
	}
	return api.Errorf(api.CodeInternal, "the output could not be written: %v", err).WithID("OutputWriteFailed").
		Hint("what was not written stays in the session: pss receive-pssession brings it")
}

// jsonRecord is a record as scripts read it (pss help about_JSON_Output).
type jsonRecord struct {
	Type           string // "Record"
	PSComputerName string
	RunspaceID     string `json:"RunspaceId"`
	Pipeline       uint32
	Seq            uint64
	Kind           string
	Time           time.Time
	Data           *string         `json:",omitempty"`
	DataBase64     []byte          `json:",omitempty"` // where the bytes are no UTF-8
	Value          json.RawMessage `json:",omitempty"` // of End and Gap
}

func (d *delivery) record(rec api.Record) error {
	j := jsonRecord{
		Type: "Record", PSComputerName: d.session.ComputerName, RunspaceID: d.session.Runspace.InstanceID,
		Pipeline: rec.Pipeline, Seq: rec.Seq, Kind: rec.Kind.String(), Time: rec.Time,
	}
	text := string(rec.Data)
	switch {
	case !rec.Kind.IsStream() && json.Valid(rec.Data):
		j.Value = append(json.RawMessage(nil), rec.Data...)
	case utf8.ValidString(text):
		j.Data = &text
	default:
		j.DataBase64 = append([]byte(nil), rec.Data...)
	}
	if d.rt.mode.Mode == format.ModeJSON {
		d.records = append(d.records, &j)
		return nil
	}
	return writeFailed(encodeLine(d.out, &j))
}

// jsonResult is the last object of a delivery under --output ndjson.
type jsonResult struct {
	Type           string // "Result"
	PSComputerName string
	RunspaceID     string `json:"RunspaceId"`
	Outcome        string // Exited, Signaled, Stopped, Failed, Lost, None, or Running after --no-wait
	ExitCode       *int
	ErrorSource    string // "remote": ExitCode is the command's own; "pss": it is ours; empty: 0
}

// result ends the delivery: it prints the Result under JSON and returns the exit
// code of the last command.
func (d *delivery) result(cause error) error {
	outcome, code, err := d.outcome(cause)
	if !d.rt.machine() {
		return err
	}
	r := jsonResult{Type: "Result", PSComputerName: d.session.ComputerName, RunspaceID: d.session.Runspace.InstanceID, Outcome: outcome, ExitCode: code}
	switch {
	case err == nil:
	case cause != nil || d.end != nil && d.end.Error != nil:
		r.ErrorSource = "pss"
	default:
		r.ErrorSource = "remote"
	}
	if d.rt.mode.Mode == format.ModeNDJSON {
		if werr := encodeLine(d.out, &r); werr != nil {
			return writeFailed(werr)
		}
	} else {
		d.records = append(d.records, &r)
	}
	if ferr := d.Flush(); ferr != nil {
		return ferr
	}
	return err
}

func (d *delivery) outcome(cause error) (string, *int, error) {
	end := d.end
	if cause == nil && d.unfinished() {
		return string(api.CommandRunning), nil, nil
	}
	if end == nil && d.last != nil {
		end = &api.PipelineEnd{Outcome: d.last.Outcome, ExitCode: d.last.ExitCode}
		if d.last.Outcome == api.OutcomeLost || d.last.Outcome == api.OutcomeFailed {
			end.Error = api.Errorf(api.CodeLost, "%s", d.last.Reason).WithID("PSSessionStateBroken")
		}
	}
	switch {
	case cause != nil:
		code := toError(cause).ExitCode()
		return "Failed", &code, cause
	case end == nil:
		return "None", nil, nil
	case end.Error != nil:
		code := end.Error.ExitCode()
		return string(end.Outcome), &code, end.Error
	case end.ExitCode != nil && *end.ExitCode != 0:
		return string(end.Outcome), end.ExitCode, exitCode(*end.ExitCode)
	}
	return string(end.Outcome), end.ExitCode, nil
}

func encodeLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// drive returns the delivery's drive, with a progress line while the connection
// is lost.
func (d *delivery) drive(agent *client.Client, ref string, req api.StreamRequest, window time.Duration) *client.Drive {
	ahead(func() {
		var hello api.StreamHello
		_ = json.Unmarshal([]byte(`{"Pipelines":[{}],"Last":{}}`), &hello)
		var end api.PipelineEnd
		_ = json.Unmarshal([]byte(`{"Outcome":""}`), &end)
		_ = api.AppendFrame(nil, &api.Record{})
	})
	req.Stream = uuid.NewString()
	drive := &client.Drive{Client: agent, Session: ref, Request: req, Consumer: d, RetryWindow: window}
	d.rt.watchOutage(drive)
	return drive
}

func retryParam() param {
	return value("RetryWindow", "how long a lost connection is tried again").takes(seconds(0, maxInt32)).byDefault(defaultRetryWindow.String())
}

func retryWindow(in *input) time.Duration {
	if d, err := api.ParseDuration(in.String("retry-window"), time.Second); err == nil {
		return d
	}
	return defaultRetryWindow
}
