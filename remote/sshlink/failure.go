package sshlink

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"pss/remote/api"
)

// denials are how OpenSSH says that it was not let in, or does not trust the far side.
var denials = []string{
	"Permission denied", "Host key verification failed", "Too many authentication failures",
	"REMOTE HOST IDENTIFICATION HAS CHANGED", "No supported authentication methods", "Authentication failed", "This account is currently not available",
}

// chatter are lines that tell nothing about a failure.
var chatter = []string{"Warning: Permanently added", "Pseudo-terminal will not be allocated"}

// startFailed is the error of an ssh that ended, or hung, before the far side said
// hello. noise is what the far side printed instead.
func startFailed(name, said, noise string, cause error, state string) error {
	if strings.Contains(said, "--stdio") && strings.Contains(said, "NamedParameterNotFound") {
		return api.Errorf(api.CodeVersion, "[%s] the pss there is too old to be reached through ssh", name).On(name).
			Hint("update it, or let --copy-binary put this one beside it")
	}
	code, id := api.CodeUnreachable, "SSHConnectFailed"
	for _, d := range denials {
		if strings.Contains(said, d) {
			code, id = api.CodeAccessDenied, "SSHAccessDenied"
		}
	}
	wrongKey := strings.Contains(said, "Host key verification failed") || strings.Contains(said, "IDENTIFICATION HAS CHANGED")
	if wrongKey {
		id = "SSHHostKeyNotTrusted"
	}
	reason := reasonIn(said)
	switch {
	case !errors.Is(cause, io.EOF): // it was ended, and what it said is not the reason
		reason = cause.Error()
	case reason == "":
		reason = fmt.Sprintf("it ended before pss was started there (%s)", state)
	}
	if noise = reasonIn(noise); noise != "" && code != api.CodeAccessDenied {
		reason += "; the far side printed: " + noise
	}
	e := api.Errorf(code, "[%s] ssh: %s", name, reason).WithID(id).On(name)
	switch {
	case wrongKey:
		return e.Hint("see that 'ssh %s true' works: it asks about the key of the computer, or says what is wrong with it", name)
	case code == api.CodeAccessDenied:
		return e.Hint("see that 'ssh %s true' works; without a terminal ssh can ask for no password or passphrase", name)
	}
	return e.Hint("see that 'ssh %s true' works; pss test-pssession --host-name %s tells how far it comes", name, name)
}

// idLate is the id of startLate.
const idLate = "SSHConnectTimeout"

// startLate is the error of an ssh that was not connected in time.
func startLate(name string, limit time.Duration, said string) error {
	reason := "ssh was not connected within " + limit.String()
	if said = reasonIn(said); said != "" {
		reason += ": " + said
	}
	return api.Errorf(api.CodeUnreachable, "[%s] %s", name, reason).WithID(idLate).On(name).
		Hint("see that 'ssh %s true' works; --connecting-timeout MILLISECONDS gives it more time", name)
}

// isLate reports whether err is a startLate.
func isLate(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.FullyQualifiedErrorID == idLate
}

// maxReason bounds how many lines of ssh's are shown.
const maxReason = 6

// reasonIn is the last lines of text that say something, as one.
func reasonIn(text string) string {
	var lines []string
next:
	for line := range strings.Lines(text) {
		line = strings.Trim(line, " \t\r\n@")
		for _, c := range chatter {
			if strings.HasPrefix(line, c) {
				continue next
			}
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	lines = lines[max(0, len(lines)-maxReason):]
	return strings.Join(lines, " / ")
}
