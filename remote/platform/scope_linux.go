package platform

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// scopeTimeout bounds how long systemd may take to say that it makes scopes for us.
	scopeTimeout = 3 * time.Second
	// logindTimeout bounds how long logind may take for all that it is asked.
	logindTimeout = 3 * time.Second
	// askAgain is how long an answer holds that roles end with the login.
	askAgain = time.Second
)

// sessionVariables are what systemd-run needs of a login, and what a role does not.
var sessionVariables = []string{"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}

// wayOut is how roles get out of the login that we run in.
type wayOut struct {
	Logout
	argv []string // the command that starts a program outside; nil: it stays where we are
}

// found is the way out as it was found out last: whoever starts roles starts many.
var found struct {
	sync.Mutex
	way *wayOut
	at  time.Time
}

// AtLogout says what the end of our login does to us and to the roles that we start. It
// is found out once; that they end is found out anew, for it may have been remedied.
func AtLogout() Logout { return outOfLogin(true).Logout }

// outOfLogin returns the way out. With again, one that leads nowhere is looked for anew.
func outOfLogin(again bool) wayOut {
	found.Lock()
	defer found.Unlock()
	if found.way == nil || again && found.way.Ends && time.Since(found.at) > askAgain {
		way := findWayOut()
		found.way, found.at = &way, time.Now()
	}
	return *found.way
}

// findWayOut asks nobody where there is no login.
func findWayOut() wayOut {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return wayOut{}
	}
	l, ok := loginOf(groups)
	if !ok {
		return wayOut{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), logindTimeout)
	defer cancel()
	s := &system{uid: os.Geteuid(), scopes: scopes, loginctl: func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "loginctl", args...)
		cmd.WaitDelay = 100 * time.Millisecond
		out, err := cmd.Output()
		return string(out), err
	}}
	return s.wayOutOf(l)
}

// scopes returns the command that starts a program in a scope of its own, after it has
// shown that it does.
func scopes(uid int) ([]string, error) {
	run, err := exec.LookPath("systemd-run")
	if err != nil {
		return nil, err
	}
	argv := []string{run, "--quiet", "--collect", "--scope"}
	if uid != 0 {
		argv = append(argv, "--user")
	}
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, run, slices.Concat(argv[1:], []string{"--", "true"})...)
	cmd.Env = append(os.Environ(), loginEnvironment()...)
	cmd.WaitDelay = 100 * time.Millisecond
	if _, err := cmd.Output(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return nil, err
	}
	argv = append(argv, "--", "env")
	for _, name := range sessionVariables {
		argv = append(argv, "-u", name)
	}
	return argv, nil
}

// loginEnvironment is what systemd-run finds the user's manager by. A role has no
// variables of a login, but the folder is always the same.
func loginEnvironment() (env []string) {
	for _, name := range sessionVariables {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	if dir := fmt.Sprintf("/run/user/%d", os.Geteuid()); os.Getenv("XDG_RUNTIME_DIR") == "" {
		env = append(env, "XDG_RUNTIME_DIR="+dir)
	}
	return env
}

// system is whom the way out is asked of.
type system struct {
	uid      int
	loginctl func(args ...string) (string, error)
	scopes   func(uid int) ([]string, error)
}

// wayOutOf finds the way out of a login.
func (s *system) wayOutOf(l login) wayOut {
	if l.uid < 0 {
		l.uid = s.uid
	}
	st := standing{root: true}
	var cause string
	if s.uid != 0 {
		st, cause = s.ask(l)
	}
	var way wayOut
	switch st.place() {
	case placeHere:
		return way
	case placeNone:
		// Whether it worked is seen by what logind then says.
		_, _ = s.loginctl("--no-ask-password", "enable-linger", strconv.Itoa(s.uid))
		me := s.user(s.uid)
		name := cmp.Or(me["Name"], accountName(s.uid))
		if me["Linger"] != "yes" {
			way.Ends, way.Cause, way.Remedy = true, cause, "ask an administrator for: loginctl enable-linger "+name
			return way
		}
		way.Lingerer = name
		if l.manager && l.uid == s.uid {
			return way
		}
	}
	argv, err := s.scopes(s.uid)
	if err == nil {
		way.argv = argv
		return way
	}
	if st.root {
		st, cause = s.ask(l)
	}
	if st.ends {
		way.Ends, way.Cause = true, fmt.Sprintf("%s, and systemd-run starts nothing outside of the login: %v", cause, err)
		way.Remedy = "see to it that this works: systemd-run --user --scope true"
		if s.uid == 0 {
			way.Remedy = "see to it that this works: systemd-run --scope true"
		}
	}
	return way
}

// ask asks logind where we stand, and why we would end with the login.
func (s *system) ask(l login) (st standing, cause string) {
	st.manager = l.manager
	out, err := s.loginctl("show-session", "-p", "KillUserProcesses", "-p", "KillOnlyUsers", "-p", "KillExcludeUsers")
	logind := properties(out)
	if err != nil || logind["KillUserProcesses"] == "" {
		return st, ""
	}
	st.logind = true
	me := s.user(s.uid)
	st.lingers = me["Linger"] == "yes"
	owner := me
	if l.uid != s.uid {
		owner = s.user(l.uid)
	}
	name := cmp.Or(owner["Name"], accountName(l.uid))
	if l.manager {
		// Whom logind does not know has not logged in, and so does not log out.
		st.ends = owner["Linger"] == "no"
		return st, fmt.Sprintf("what runs below the service manager of user %s ends with the user's last login unless the user lingers", name)
	}
	st.ends = killed(logind, name)
	return st, fmt.Sprintf("the login manager ends all processes of a login of user %s with it (KillUserProcesses)", name)
}

// user returns what logind knows of a user: nothing of one who has not logged in.
func (s *system) user(uid int) map[string]string {
	out, err := s.loginctl("show-user", strconv.Itoa(uid), "-p", "Name", "-p", "Linger")
	if err != nil {
		return nil
	}
	return properties(out)
}

// accountName is the name of a user, or the number where nobody knows one.
func accountName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// inOwnScope makes cmd, a role that is about to start, leave the login that we run in.
func inOwnScope(cmd *exec.Cmd) {
	// A host may outlive its login, and with that the manager that makes scopes.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return
		}
	}
	way := outOfLogin(false)
	if way.argv == nil {
		return
	}
	self, err := os.Readlink(cmd.Path)
	if err == nil {
		_, err = os.Stat(self)
	}
	if err != nil { // a deleted or replaced binary has only this name
		self = fmt.Sprintf("/proc/%d/exe", os.Getpid())
	}
	cmd.Path, cmd.Args = way.argv[0], slices.Concat(way.argv, []string{self}, cmd.Args[1:])
	cmd.Env = append(cmd.Env, loginEnvironment()...)
}
