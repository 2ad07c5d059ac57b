package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// OutputBufferingMode is PowerShell's: what happens when a disconnected
// session's output buffer is full.
type OutputBufferingMode string

// The modes. None leaves the mode as it is; at creation it means Block.
const (
	BufferingNone  OutputBufferingMode = "None"
	BufferingDrop  OutputBufferingMode = "Drop"
	BufferingBlock OutputBufferingMode = "Block"
)

// Given reports whether m asks for a mode; the empty mode and BufferingNone leave what is.
func (m OutputBufferingMode) Given() bool { return m != "" && m != BufferingNone }

// ParseOutputBufferingMode reads a mode in any case.
func ParseOutputBufferingMode(s string) (OutputBufferingMode, error) {
	for _, m := range []OutputBufferingMode{BufferingNone, BufferingDrop, BufferingBlock} {
		if strings.EqualFold(s, string(m)) {
			return m, nil
		}
	}
	return "", fmt.Errorf("%q is no output buffering mode: None, Drop, Block", s)
}

// Check fails if m is no mode, as ParseOutputBufferingMode returns it, nor empty.
func (m OutputBufferingMode) Check() error {
	if known, err := ParseOutputBufferingMode(string(m)); m != "" && (err != nil || known != m) {
		return Errorf(CodeInvalidArgument, "%.40q is no output buffering mode", string(m)).WithID("CannotConvertArgument").Hint("None, Drop or Block")
	}
	return nil
}

// Bounds and defaults of the idle timeout in milliseconds (DESIGN 5;
// PowerShell's own default is 7,200,000).
const (
	MinIdleTimeoutMs     int64 = 60_000
	DefaultIdleTimeoutMs int64 = 7 * 24 * 3600 * 1000
	MaxIdleTimeoutMs     int64 = 2_147_483_647
	// IdleTimeoutNever asks for a session that never expires; a configuration
	// allows it by MaxIdleTimeoutMs = "never". In facts both then are 0.
	IdleTimeoutNever int64 = -2
)

// SessionOption is the part of PowerShell's PSSessionOption that a session host
// acts on. Members that are not given stay unchanged.
type SessionOption struct {
	IdleTimeout         *int64              `json:",omitempty"` // milliseconds; -1: the server's default; IdleTimeoutNever
	OutputBufferingMode OutputBufferingMode `json:",omitempty"`
	// OpenTimeout is how many milliseconds the agent lets a computer take to make or
	// connect the session; 0, and what is above its own limit, are that limit.
	OpenTimeout int64 `json:",omitempty"`
	// MaxConnectionRetryCount is how often the agent asks a computer again that is out
	// of reach while a session is to be made there.
	MaxConnectionRetryCount int `json:",omitempty"`
}

// ConnectionOption is the part of PowerShell's PSSessionOption that the cmdlets of the
// client act on which holds a session. It is kept with the session until another
// client connects it. What is nil is not limited.
type ConnectionOption struct {
	CancelTimeout                     *int64 `json:",omitempty"` // milliseconds that a stopped command is waited for
	MaximumReceivedDataSizePerCommand *int64 `json:",omitempty"` // bytes of its output that are taken
	MaximumReceivedObjectSize         *int64 `json:",omitempty"` // bytes of one record
}

// ParseIdleTimeout reads an idle timeout: what ParseDuration reads, or "never".
// It returns milliseconds.
func ParseIdleTimeout(s string, unit time.Duration) (int64, error) {
	if strings.EqualFold(s, "never") {
		return IdleTimeoutNever, nil
	}
	d, err := ParseDuration(s, unit)
	return d.Milliseconds(), err
}

// CheckIdleTimeout returns the idle timeout that facts hold for a wanted one: the
// wanted one if it is within min and max, both in milliseconds and max 0 for none;
// present if that is asked for; else ok is false.
func CheckIdleTimeout(wanted *int64, present, min, max int64) (ms int64, ok bool) {
	switch {
	case wanted == nil || *wanted == -1:
		return present, true
	case *wanted == IdleTimeoutNever:
		return 0, max == 0
	}
	return *wanted, *wanted >= min && (max == 0 || *wanted <= max)
}

// IdleTimeoutText names an idle timeout in milliseconds for people.
func IdleTimeoutText(ms int64) string {
	switch {
	case ms == 0 || ms == IdleTimeoutNever:
		return "never"
	case ms%1000 != 0:
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%d s", ms/1000)
}

// ParseDuration reads a number of unit, or a duration with a unit of its own
// (500ms, 90s, 15m, 48h, 7d). It refuses negative values.
func ParseDuration(s string, unit time.Duration) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration: give a number or a value with a unit such as 90s, 15m, 48h, 7d", s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 0 || n > int64(1<<62)/int64(unit) {
			return 0, bad
		}
		return time.Duration(n) * unit, nil
	}
	if d, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(d, 64)
		if err != nil || n < 0 || n > 100_000 {
			return 0, bad
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}
