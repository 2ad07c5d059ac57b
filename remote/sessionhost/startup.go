package sessionhost

import (
	"strings"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/engine"
)

// startupTimeout is how long a start-up script may take: less than the host waits.
const startupTimeout = 25 * time.Second

// startupWords is how much of what a start-up script says about its failure is kept.
const startupWords = 4 << 10

// startUp runs the session configuration's start-up script in the shell, before
// anybody can use the session; what it prints goes nowhere. Its number is 0: the first
// command of a user is 1 with and without it.
func (s *Session) startUp() error {
	if s.boot.StartupScript == "" {
		return nil
	}
	out := &startupSink{}
	p, err := s.rs.Invoke(engine.Command{Script: s.boot.StartupScript}, out)
	if err != nil {
		return startupError("cannot be run", err.Error())
	}
	select {
	case <-p.Done():
	case <-s.rs.Done():
		return startupError("ended the shell", s.rs.Err().Error())
	case <-time.After(startupTimeout):
		p.Stop()
		return startupError("took longer than "+startupTimeout.String(), out.lastLine())
	}
	switch r := out.result; {
	case r.Err != nil:
		return startupError("failed", r.Err.Message)
	case r.Outcome != api.OutcomeExited || r.ExitCode != 0:
		return startupError("failed", out.lastLine())
	}
	return nil
}

func startupError(what, reason string) *api.Error {
	text := "the start-up script of the session configuration " + what
	if reason != "" {
		text += ": " + reason
	}
	return api.Errorf(api.CodeInvalidArgument, "%s", text).WithID("StartupScriptFailed,PSSessionOpenFailed").
		Hint("correct the script, which must end with exit code 0; no session was made")
}

// startupSink keeps the end of what a start-up script wrote to its standard error.
type startupSink struct {
	mu     sync.Mutex // guards words
	words  []byte
	result engine.Result // once the command is done
}

// Write keeps errors and drops the rest.
func (k *startupSink) Write(kind api.Kind, data []byte) error {
	if kind != api.KindError {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.words = append(k.words, data...)
	k.words = k.words[max(0, len(k.words)-startupWords):]
	return nil
}

// Late drops what a background child prints later.
func (k *startupSink) Late(api.Kind, []byte) {}

// End keeps the result.
func (k *startupSink) End(r engine.Result) { k.result = r }

func (k *startupSink) lastLine() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := strings.TrimSpace(string(k.words))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
