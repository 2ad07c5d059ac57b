package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// outage tells on standard error that the connection is lost, as PowerShell does: in
// a terminal one line counts down, elsewhere one line says that it is lost and one
// that it is back.
type outage struct {
	rt       *Runtime
	drive    *client.Drive
	terminal *os.File // standard error, if it is one
	told     bool
}

func (rt *Runtime) watchOutage(d *client.Drive) {
	o := &outage{rt: rt, drive: d}
	if f, ok := rt.Stderr.(*os.File); ok && !rt.machine() && term.IsTerminal(int(f.Fd())) {
		o.terminal = f
	}
	d.Retrying, d.Retried = o.retrying, o.retried
}

// computer is how the session's computer is called.
func (o *outage) computer() string {
	if name, _ := o.drive.Where(); name != "" {
		return format.Sanitize(api.ComputerOf(name))
	}
	return "the computer"
}

func (o *outage) retrying(left time.Duration) {
	if o.terminal == nil && o.told {
		return
	}
	shown := o.drive.RetryWindow
	if o.terminal != nil {
		shown = left
	}
	text := fmt.Sprintf("The network connection to %s has been interrupted. Attempting to reconnect for up to %s ...", o.computer(), clock(shown))
	if o.terminal == nil {
		o.told = true
		o.rt.warn("PowerShellNetworkFailureDetected", text, o.computer())
		return
	}
	line := []rune("WARNING: " + text)
	if w, _, err := term.GetSize(int(o.terminal.Fd())); err == nil && w > 0 && len(line) >= w {
		line = line[:w-1] // a line that wraps cannot be written over
	}
	fmt.Fprintf(o.terminal, "\r\x1b[K%s", string(line))
}

func (o *outage) retried(restored bool) {
	if o.terminal != nil {
		fmt.Fprint(o.terminal, "\r\x1b[K")
	}
	if restored {
		o.told = false
		o.rt.warn("PowerShellConnectionRetrySucceeded", fmt.Sprintf("The network connection to %s has been restored.", o.computer()), o.computer())
	}
}

// clock writes a duration as minutes and seconds.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// warning is a warning of pss itself under --output json or ndjson.
type warning struct {
	Warning struct {
		Message               string
		FullyQualifiedErrorID string `json:"FullyQualifiedErrorId"`
		Target                string
	}
}

// warn writes a warning of pss itself to standard error.
func (rt *Runtime) warn(id, text, target string) {
	if rt.noWarnings {
		return
	}
	if !rt.machine() {
		fmt.Fprintln(rt.Stderr, coloursOf(rt.colours(rt.Stderr), warningColour, "WARNING: "+text))
		return
	}
	var w warning
	w.Warning.Message, w.Warning.FullyQualifiedErrorID, w.Warning.Target = text, id, target
	if data, err := json.Marshal(&w); err == nil {
		fmt.Fprintf(rt.Stderr, "%s\n", data)
	}
}

// run delivers. A session whose connection stays lost is left behind, Disconnected,
// and the error says how to get at it.
func (d *delivery) run(ctx context.Context, drive *client.Drive) error {
	err := drive.Run(ctx)
	if !api.IsCode(err, api.CodeOutcomeUnknown) {
		return err
	}
	d.found(drive)
	d.leave(drive.Client, api.DetachedByOutage)
	return toError(err).Hint("its command goes on; when the computer answers again: %s", d.resume())
}

// found completes what is known of the session by what the agent said of it.
func (d *delivery) found(drive *client.Drive) {
	s := *d.session
	if computer, instance := drive.Where(); instance != "" {
		s.At(computer)
		s.Runspace.InstanceID = instance
	}
	d.session = &s
}

// resume is the command line that brings what is left behind.
func (d *delivery) resume() string {
	s := d.session
	if s.ComputerName == "" || s.Runspace.InstanceID == "" {
		return "pss receive-pssession --session " + d.ref()
	}
	return "pss receive-pssession " + whereIs(s)
}

// resumeLine tells how to get at what is left behind.
func (d *delivery) resumeLine() {
	d.rt.tell("The command goes on. Take it up again with:\n  %s", d.resume())
}

// ref is what the agent knows the session by.
func (d *delivery) ref() string {
	return SessionRef{ID: d.session.ID, InstanceID: d.session.Runspace.InstanceID}.text()
}

// leavePatience bounds how long leaving a session may take, in the network's best
// and worst state.
const leavePatience = 1500 * time.Millisecond

// leave disconnects the session in a context of its own: the caller's may be over.
// The agent goes on with it while the computer does not answer.
func (d *delivery) leave(agent *client.Client, by string) {
	ctx, cancel := context.WithTimeout(context.Background(), leavePatience)
	defer cancel()
	if left, err := agent.Detach(ctx, d.ref(), &api.DetachRequest{By: by, Later: true}); err == nil {
		d.rt.tellExpiry(left)
	}
}
