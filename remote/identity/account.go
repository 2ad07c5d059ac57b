package identity

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Account is a user of this computer.
type Account struct {
	Name   string
	UID    uint32
	GID    uint32
	Groups []uint32 // GID among them
	Home   string
	Shell  string // never empty
}

const (
	// lookupTime bounds one question to the user database, which may be far away.
	lookupTime = 5 * time.Second
	// maxLookup bounds its answer.
	maxLookup = 1 << 20
	maxName   = 256
)

// ErrNoAccount says that there is no user of that name.
var ErrNoAccount = errors.New("there is no such user")

// ValidName reports whether name can be a user's: what else is asked for as one is
// refused before anybody looks it up.
func ValidName(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '-' || name == "." || name == ".." {
		return false
	}
	for _, c := range []byte(name) {
		// A backslash and @ are those of a domain's users.
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-$@\\", c) >= 0 || c >= 0x80
		if !ok {
			return false
		}
	}
	return strings.Trim(name, "0123456789") != "" // a number is a uid
}

// Lookup returns the user of that name: from everything that nsswitch.conf names where
// there is getent, and otherwise from /etc. ErrNoAccount: there is none.
func Lookup(ctx context.Context, name string) (*Account, error) {
	if !ValidName(name) {
		return nil, ErrNoAccount
	}
	line, err := database(ctx, "passwd", name)
	if err != nil {
		return nil, err
	}
	a, err := parsePasswd(line)
	if err != nil {
		return nil, err
	}
	if a.Name != name { // getent also takes a uid
		return nil, ErrNoAccount
	}
	if a.Groups, err = groupsOf(ctx, a); err != nil {
		return nil, err
	}
	return a, nil
}

// NameOf returns the name of the user with that uid. ErrNoAccount: there is none, or none
// that Lookup would find.
func NameOf(ctx context.Context, uid int) (string, error) {
	line, err := database(ctx, "passwd", strconv.Itoa(uid))
	if err != nil {
		return "", err
	}
	a, err := parsePasswd(line)
	if err != nil {
		return "", err
	}
	if int(a.UID) != uid || !ValidName(a.Name) { // somebody's name may be a number
		return "", ErrNoAccount
	}
	return a.Name, nil
}

// parsePasswd reads a line of passwd(5).
func parsePasswd(line string) (*Account, error) {
	f := strings.Split(line, ":")
	if len(f) != 7 {
		return nil, fmt.Errorf("the user database answers %d fields, not 7", len(f))
	}
	uid, uerr := strconv.ParseUint(f[2], 10, 32)
	gid, gerr := strconv.ParseUint(f[3], 10, 32)
	if err := errors.Join(uerr, gerr); err != nil {
		return nil, err
	}
	a := &Account{Name: f[0], UID: uint32(uid), GID: uint32(gid), Home: f[5], Shell: f[6]}
	if a.Shell == "" {
		a.Shell = "/bin/sh"
	}
	return a, nil
}

// groupsOf returns all groups of the user. Whoever cannot be told their groups gets no
// session: too few may be as wrong as too many.
func groupsOf(ctx context.Context, a *Account) ([]uint32, error) {
	groups := []uint32{a.GID}
	text, err := run(ctx, "getent", "initgroups", a.Name)
	if err == nil {
		_, text, _ = strings.Cut(text, " ")
	} else if text, err = run(ctx, "id", "-G", a.Name); err != nil {
		text, err = groupFile(a.Name)
	}
	if err != nil {
		return nil, err
	}
	for _, word := range strings.Fields(text) {
		id, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("groups of %s: %w", a.Name, err)
		}
		if !slices.Contains(groups, uint32(id)) {
			groups = append(groups, uint32(id))
		}
	}
	return groups, nil
}

// groupFile returns the ids of the groups in /etc/group that have the user as a member.
func groupFile(name string) (string, error) {
	data, err := os.ReadFile("/etc/group")
	if err != nil {
		return "", err
	}
	var ids []string
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) == 4 && slices.Contains(strings.Split(f[3], ","), name) {
			ids = append(ids, f[2])
		}
	}
	return strings.Join(ids, " "), nil
}

// database returns the line of a name in one of the system's databases, ErrNoAccount if
// there is none.
func database(ctx context.Context, which, name string) (string, error) {
	text, err := run(ctx, "getent", which, name)
	if errors.Is(err, exec.ErrNotFound) {
		return inFile("/etc/"+which, name)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case 1: // some getents do not know every database
			return inFile("/etc/"+which, name)
		case 2:
			return "", ErrNoAccount
		}
	}
	line, _, _ := strings.Cut(text, "\n")
	return line, err
}

// inFile returns the line of a name in a file like passwd(5).
func inFile(path, name string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		// As getent does: by name, and by the number, which stands third in passwd and group.
		if f := strings.SplitN(s.Text(), ":", 4); f[0] == name || len(f) > 3 && f[2] == name && strings.Trim(name, "0123456789") == "" {
			return s.Text(), nil
		}
	}
	if err := s.Err(); err != nil {
		return "", err
	}
	return "", ErrNoAccount
}

// run returns what a program of the system prints.
func run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = "/", []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = time.Second
	out := &bounded{max: maxLookup}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// bounded takes as much as it may, and then fails.
type bounded struct {
	bytes.Buffer
	max int
}

// Write fails when there is too much.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.max {
		return 0, errors.New("the output is too long")
	}
	return b.Buffer.Write(p)
}

// Nobody is the account with which a stranger's attempt for a user that is none goes on,
// so that it is as much work as any other.
func Nobody(ctx context.Context) *Account {
	if a, err := Lookup(ctx, "nobody"); err == nil {
		return a
	}
	return &Account{Name: "nobody", UID: 65534, GID: 65534, Groups: []uint32{65534}, Home: "/nonexistent", Shell: "/bin/sh"}
}
