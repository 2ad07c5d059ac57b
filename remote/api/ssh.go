package api

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// sshScheme begins the ref of a computer that is reached through ssh.
const sshScheme = "ssh://"

// SSHTarget is a computer that is reached through the system's ssh, and what ssh is to
// be told of it. What is not set here is the business of the user's own ssh
// configuration.
type SSHTarget struct {
	User    string   // empty: as ssh says
	Host    string   // a name, an address, or a Host of the ssh configuration
	Port    int      // 0: as ssh says
	KeyFile string   // absolute path of an identity; empty: as ssh says
	Options []string // NAME=VALUE of ssh_config(5)
	// ConnectingTimeout bounds making the connection, in milliseconds; 0: the agent's
	// own limit. It is not part of the computer's identity.
	ConnectingTimeout int64
}

// ParseSSHHost reads [user@]host[:port], as PowerShell's -HostName and ssh's URIs take
// it. It fails with InvalidArgument.
func ParseSSHHost(text string) (t SSHTarget, err error) {
	rest := text
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if t.User, rest = rest[:i], rest[i+1:]; t.User == "" {
			return t, badSSHHost(text)
		}
	}
	t.Host = rest
	switch {
	case strings.HasPrefix(rest, "["):
		end := strings.IndexByte(rest, ']')
		if end < 0 || end+1 < len(rest) && rest[end+1] != ':' {
			return t, badSSHHost(text)
		}
		t.Host, rest = rest[1:end], rest[end+1:]
		if net.ParseIP(t.Host) == nil {
			return t, badSSHHost(text)
		}
	case strings.Count(rest, ":") == 1:
		i := strings.IndexByte(rest, ':')
		t.Host, rest = rest[:i], rest[i:]
	default:
		rest = ""
	}
	if rest != "" {
		if t.Port, err = strconv.Atoi(rest[1:]); err != nil || t.Port < 1 || t.Port > 65535 {
			return t, badSSHHost(text)
		}
	}
	// A word that begins with a dash would be an option of ssh's.
	if t.Host == "" || strings.HasPrefix(t.Host, "-") || strings.HasPrefix(t.User, "-") ||
		strings.ContainsAny(t.Host, " \t\r\n\"'`$\\;&|<>(){}/?#,*\x00") || strings.ContainsAny(t.User, " \t\r\n\"'`$;&|<>(){}/?#\x00") ||
		strings.Contains(t.Host, ":") && net.ParseIP(t.Host) == nil {
		return t, badSSHHost(text)
	}
	return t, nil
}

func badSSHHost(text string) error {
	return Errorf(CodeInvalidArgument, "%q is no computer that ssh could reach", text).WithID("InvalidSSHHostName").
		Hint("write [user@]host[:port]")
}

// ParseSSHRef reads what Ref returns; ok is false for every other computer.
func ParseSSHRef(ref string) (t SSHTarget, ok bool) {
	rest, ok := strings.CutPrefix(ref, sshScheme)
	if !ok {
		return t, false
	}
	host, query, _ := strings.Cut(rest, "?")
	t, err := ParseSSHHost(host)
	if err != nil {
		return t, false
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return t, false
	}
	t.KeyFile, t.Options = values.Get("key"), values["option"]
	t.ConnectingTimeout, _ = strconv.ParseInt(values.Get("connecting"), 10, 64)
	return t, true
}

// IsSSHRef reports whether ref names a computer that is reached through ssh.
func IsSSHRef(ref string) bool { return strings.HasPrefix(ref, sshScheme) }

// Destination is [user@]host[:port].
func (t SSHTarget) Destination() string {
	d := t.Host
	if t.Port != 0 {
		d = net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	} else if strings.Contains(d, ":") {
		d = "[" + d + "]"
	}
	if t.User != "" {
		d = t.User + "@" + d
	}
	return d
}

// Ref names the computer for the agent, in journals and in JSON:
// ssh://[user@]host[:port], and what ssh is told behind a question mark.
func (t SSHTarget) Ref() string {
	query := url.Values{}
	if t.KeyFile != "" {
		query.Set("key", t.KeyFile)
	}
	if len(t.Options) > 0 {
		query["option"] = t.Options
	}
	if t.ConnectingTimeout > 0 {
		query.Set("connecting", strconv.FormatInt(t.ConnectingTimeout, 10))
	}
	ref := sshScheme + t.Destination()
	if len(query) > 0 {
		ref += "?" + query.Encode()
	}
	return ref
}

// Identity is t without what may differ from one use of the computer to the next.
func (t SSHTarget) Identity() SSHTarget {
	t.ConnectingTimeout = 0
	return t
}

// SameComputer reports whether two refs mean the same computer reached in the same way:
// names of computers have no case, what ssh is given and users have.
func SameComputer(a, b string) bool { return KeyOf(a) == KeyOf(b) }

// KeyOf returns what is the same text for all refs of which SameComputer is true.
func KeyOf(ref string) string {
	if IsSSHRef(ref) {
		return PlaceOf(ref)
	}
	if t, ok := ParseHTTPSRef(ref); ok {
		t.Host = strings.ToLower(t.Host)
		return t.Ref()
	}
	return strings.ToLower(ref)
}

// PlaceOf returns ref without what may differ from one use of its computer to the next.
func PlaceOf(ref string) string {
	if t, ok := ParseSSHRef(ref); ok {
		return t.Identity().Ref()
	}
	return ref
}
