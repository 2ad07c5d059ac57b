package verbs

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"pss/remote/api"
)

// PSSessionTest is what came of one way to a computer, as users and scripts see it. Its
// JSON is a contract (pss help about_JSON_Output).
type PSSessionTest struct {
	ComputerName          string `table:"ComputerName"`
	Transport             string `table:"Transport"` // HTTPS or SSH
	Address               string `wide:"Address"`    // HOST:PORT, what ssh is told, or the path of a socket
	Status                string `table:"Status"`
	Version               string `table:"Version"` // of the pss there
	Clock                 string `table:"Clock"`   // ClockSkewMs for people
	ClockSkewMs           *int64 // by how much the clock there is ahead; null: it does not tell
	User                  string `table:"User"`
	AuthenticatedBy       string `wide:"AuthenticatedBy"` // what proved it: Token, Enrolment …
	LatencyMs             *int64 `wide:"LatencyMs,right"` // of a request
	HostID                string `json:"HostId" wide:"HostId"`
	Message               string // why the way leads nowhere
	FullyQualifiedErrorID string `json:"FullyQualifiedErrorId"`
	RecommendedAction     string `table:"NextStep"`
}

func newPSSessionTest(name string, w *api.Way) PSSessionTest {
	t := PSSessionTest{ComputerName: name, Transport: w.Transport, Address: w.Address, Status: statusOf(w.Error)}
	if e := w.Error; e != nil {
		t.Message, t.FullyQualifiedErrorID, t.RecommendedAction = e.Message, e.FullyQualifiedErrorID, oneLine(nextStep(e))
	}
	if h := w.Host; h != nil {
		t.Version, t.User, t.AuthenticatedBy, t.HostID = h.Version, h.User, h.Method, h.HostID
		t.LatencyMs, t.ClockSkewMs, t.Clock = &w.LatencyMs, w.ClockSkewMs, clockText(w.ClockSkewMs)
	}
	return t
}

// statuses are the words for errors that have one of their own, by their ids.
var statuses = map[string]string{
	"ServerNotTrusted": "NotTrusted", "SSHHostKeyNotTrusted": "NotTrusted", "WinRMListener": "WinRM",
	"PssNotFound": "NoPss", "PssWrongBuild": "NoPss",
}

// statusOf says in one word what came of a way.
func statusOf(e *api.Error) string {
	if e == nil {
		return "Ok"
	}
	return cmp.Or(statuses[e.FullyQualifiedErrorID], string(e.Code))
}

// oneLine is text for a row of a table.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// nextStep is what the error recommends, but for this cmdlet itself.
func nextStep(e *api.Error) string {
	step, _, _ := strings.Cut(e.RecommendedAction, "; pss test-pssession ")
	return step
}

// clockText shows a difference between two clocks.
func clockText(ms *int64) string {
	if ms == nil {
		return ""
	}
	d := time.Duration(*ms) * time.Millisecond
	if d.Abs() >= time.Minute {
		sign := "+"
		if d < 0 {
			sign = "-"
		}
		return sign + d.Abs().Round(time.Second).String()
	}
	return fmt.Sprintf("%+.1fs", math.Round(d.Seconds()*10)/10+0) // no -0.0
}
