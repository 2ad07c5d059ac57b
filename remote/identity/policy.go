package identity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pss/remote/planted"
)

// Policy is who of this computer's users may come in at all.
type Policy struct {
	Shadow      bool // shadow(5) can be read
	PermitRoot  bool
	DenyUsers   []string // patterns with * and ?; they go first
	AllowUsers  []string // not empty: only these
	AllowGroups []string // not empty: only members of these
}

// Check fails if the account may not be used: by host.toml, because it is locked or has
// expired, or because it has no shell. It says why, for the log alone.
func (p *Policy) Check(ctx context.Context, a *Account) error {
	var errs []error
	if p.Shadow {
		errs = append(errs, checkShadow(ctx, a.Name, time.Now()))
	}
	if a.UID == 0 && !p.PermitRoot && !planted.On("root-let-in") {
		errs = append(errs, errors.New("root is let in with permit_root = true only"))
	}
	return errors.Join(append(errs, p.listed(ctx, a), checkShell(a.Shell), checkNoLogin(a.UID))...)
}

// listed applies the lists in OpenSSH's order.
func (p *Policy) listed(ctx context.Context, a *Account) error {
	if matchAny(p.DenyUsers, a.Name) {
		return errors.New("deny_users names the user")
	}
	if len(p.AllowUsers) > 0 && !matchAny(p.AllowUsers, a.Name) && !planted.On("allow-list-ignored") {
		return errors.New("allow_users does not name the user")
	}
	if len(p.AllowGroups) == 0 {
		return nil
	}
	for _, gid := range a.Groups {
		line, err := database(ctx, "group", strconv.FormatUint(uint64(gid), 10))
		if err != nil {
			continue // a group without a name
		}
		if name, _, _ := strings.Cut(line, ":"); matchAny(p.AllowGroups, name) {
			return nil
		}
	}
	return errors.New("allow_groups names no group of the user")
}

// matchAny reports whether a pattern matches and none that begins with ! does.
func matchAny(patterns []string, s string) bool {
	found := false
	for _, p := range patterns {
		negated := strings.HasPrefix(p, "!")
		if matches(strings.TrimPrefix(p, "!"), s) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// matches reports whether the pattern, in which * and ? are wildcards, is all of s.
func matches(pattern, s string) bool {
	star, at := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, at = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			at++
			i, j = star+1, at
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// checkShell fails if nobody can log in with the shell.
func checkShell(shell string) error {
	if base := filepath.Base(shell); (base == "nologin" || base == "false") && !planted.On("nologin-let-in") {
		return fmt.Errorf("the shell is %s", shell)
	}
	st, err := os.Stat(shell)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("the shell %s is no program", shell)
	}
	return nil
}

// checkNoLogin fails while the computer lets nobody but root in: nologin(5).
func checkNoLogin(uid uint32) error {
	for _, path := range []string{"/etc/nologin", "/run/nologin"} {
		if _, err := os.Stat(path); err == nil && uid != 0 {
			return fmt.Errorf("there is a file %s", path)
		}
	}
	return nil
}

// checkShadow fails if the account is locked or has expired, or its password must be
// changed first. A user without a line there has none of that.
func checkShadow(ctx context.Context, name string, now time.Time) error {
	line, err := database(ctx, "shadow", name)
	if errors.Is(err, ErrNoAccount) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return parseShadow(line, now)
}

// parseShadow reads a line of shadow(5) as sshd does.
func parseShadow(line string, now time.Time) error {
	f := strings.Split(line, ":")
	if len(f) != 9 {
		return fmt.Errorf("shadow has %d fields, not 9", len(f))
	}
	// Without PAM that is what locked means; * is only that there is no password.
	if strings.HasPrefix(f[1], "!") && !planted.On("locked-let-in") {
		return errors.New("the account is locked")
	}
	var days [9]int64
	for i := 2; i < 8; i++ {
		days[i] = -1
		if f[i] == "" {
			continue
		}
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return fmt.Errorf("shadow: %w", err)
		}
		days[i] = n
	}
	today := now.Unix() / (24 * 60 * 60)
	changed, most, expire := days[2], days[4], days[7]
	switch {
	case expire >= 0 && expire < today:
		return errors.New("the account has expired")
	case changed == 0:
		return errors.New("the password must be changed first")
	case changed > 0 && most >= 0 && changed+most < today:
		return errors.New("the password has expired")
	}
	return nil
}
