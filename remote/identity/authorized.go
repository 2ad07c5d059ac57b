package identity

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"pss/remote/planted"
)

// The bounds of an authorized_keys file: more than that is not read as one.
const (
	maxKeyFile  = 256 << 10
	maxKeyLines = 4096
)

// AuthorizedKey is a line of authorized_keys that may let somebody in.
type AuthorizedKey struct {
	Wire  []byte    // the key, in SSH's wire format
	From  []string  // address patterns; nil: from everywhere
	Until time.Time // zero: no end
	Demands
}

// ParseAuthorizedKeys returns the keys of an authorized_keys file that may let somebody
// in. A line with an option that is not honoured here gives no key: command=,
// environment=, cert-authority, principals=, tunnel= and all that is unknown. Options
// about forwarding and terminals are true by themselves.
func ParseAuthorizedKeys(data []byte) ([]AuthorizedKey, error) {
	if len(data) > maxKeyFile || bytes.Count(data, []byte("\n")) > maxKeyLines {
		return nil, errors.New("the file is too long")
	}
	var keys []AuthorizedKey
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if k, err := parseAuthorizedKey(line); err == nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func parseAuthorizedKey(line []byte) (AuthorizedKey, error) {
	key, _, options, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return AuthorizedKey{}, err
	}
	if err := usable(key); err != nil {
		return AuthorizedKey{}, err
	}
	k := AuthorizedKey{Wire: key.Marshal()}
	for _, o := range options {
		if err := k.option(o); err != nil && !planted.On("key-options-ignored") {
			return AuthorizedKey{}, err
		}
	}
	return k, nil
}

// option takes one option of the line. Their names have no case.
func (k *AuthorizedKey) option(text string) error {
	name, value, valued := strings.Cut(text, "=")
	name = strings.ToLower(name)
	if valued {
		var err error
		if value, err = unquote(value); err != nil {
			return err
		}
		switch name {
		case "from":
			return k.setFrom(value)
		case "expiry-time":
			return k.setUntil(value)
		case "permitopen", "permitlisten":
			return nil
		}
		return fmt.Errorf("the option %s= is not honoured", name)
	}
	switch name {
	case "no-touch-required":
		k.NoTouch = true
	case "touch-required":
		k.NoTouch = false
	case "verify-required":
		k.Verified = true
	case "restrict", "pty", "no-pty", "port-forwarding", "no-port-forwarding", "agent-forwarding", "no-agent-forwarding",
		"x11-forwarding", "no-x11-forwarding", "user-rc", "no-user-rc":
	default:
		return fmt.Errorf("the option %s is not honoured", name)
	}
	return nil
}

// unquote takes the quotes off an option's value.
func unquote(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", errors.New("the value has no quotes")
	}
	return strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`), nil
}

// setFrom takes the patterns of from=, which stands once.
func (k *AuthorizedKey) setFrom(value string) error {
	if k.From != nil {
		return errors.New("from= stands twice")
	}
	k.From = strings.Split(strings.ToLower(value), ",")
	for _, p := range k.From {
		p = strings.TrimPrefix(p, "!")
		if p == "" {
			return errors.New("from= has an empty pattern")
		}
		if !strings.Contains(p, "/") {
			continue
		}
		net, err := netip.ParsePrefix(p)
		if err != nil {
			return err
		}
		if net != net.Masked() {
			return fmt.Errorf("%s has bits behind its mask", p)
		}
	}
	return nil
}

// setUntil takes expiry-time=; the earliest of several counts.
func (k *AuthorizedKey) setUntil(value string) error {
	where := time.Local
	digits, utc := strings.CutSuffix(strings.ToUpper(value), "Z")
	if utc {
		where = time.UTC
	}
	layouts := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}
	layout, ok := layouts[len(digits)]
	if !ok {
		return fmt.Errorf("%q is no time", value)
	}
	t, err := time.ParseInLocation(layout, digits, where)
	if err != nil {
		return err
	}
	if k.Until.IsZero() || t.Before(k.Until) {
		k.Until = t
	}
	return nil
}

// Admits reports whether the key lets somebody in who comes from that address now. A
// from= lets nobody in whose address is not known.
func (k *AuthorizedKey) Admits(from netip.Addr, now time.Time) bool {
	if !k.Until.IsZero() && !now.Before(k.Until) && !planted.On("key-never-expires") {
		return false
	}
	if k.From == nil || planted.On("key-from-everywhere") {
		return true
	}
	if !from.IsValid() {
		return false
	}
	from = from.Unmap().WithZone("")
	found := false
	for _, p := range k.From {
		bare := strings.TrimPrefix(p, "!")
		hit := false
		if net, err := netip.ParsePrefix(bare); err == nil {
			hit = net.Contains(from)
		} else if addr, err := netip.ParseAddr(bare); err == nil {
			hit = addr.Unmap() == from
		} else {
			hit = matches(bare, from.String())
		}
		if hit && bare != p {
			return false
		}
		found = found || hit
	}
	return found
}
