//go:build linux

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// ordinary is the user of these tests: root has a manager that no logout ends.
const ordinary = 65534

// loginctl is a stand-in that knows one user. It says what the file logind holds, and
// enables lingering if there is a file polkit.
const loginctl = `#!/bin/sh
cd %s || exit 1
echo "loginctl $*" >>asked
case "$*" in
show-session*) cat logind ;;
show-user*) echo Name=ann; echo Linger=$(cat linger) ;;
*--no-ask-password*enable-linger*)
	[ -e polkit ] || { echo 'Could not enable linger: Access denied' >&2; exit 1; }
	echo yes >linger ;;
*) exit 1 ;;
esac
`

// loggedIn is an ordinary user in a login.
type loggedIn struct {
	*world         // from the login
	out     *world // the same user elsewhere
	tools   string // the stand-ins and what they say
	scope   string // the login's control group
	outside string // that of what was started out of it
}

// The units below which a login runs.
const (
	session = "session-99.scope"
	desktop = "user@65534.service"
)

// logIn makes a login on a computer whose login manager has these properties.
func logIn(t *testing.T, unit, logind string, files map[string]string) *loggedIn {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root becomes another user")
	}
	scope, outside := groups(t, unit)
	w := newWorld(t, thisPSS, files)
	l := &loggedIn{out: w, tools: w.path("tools"), scope: scope, outside: outside}
	writeFiles(t, l.tools, map[string]string{
		"logind": logind, "linger": "no\n", "asked": "",
		"loginctl":    fmt.Sprintf(loginctl, l.tools),
		"systemd-run": strings.Replace(fmt.Sprintf(standIn, outside), "\n", "\necho systemd-run >>"+l.tools+"/asked\n", 1),
	})
	own := []string{outside, filepath.Dir(outside), filepath.Join(outside, "cgroup.procs"), filepath.Join(filepath.Dir(outside), "cgroup.procs")}
	require.NoError(t, filepath.WalkDir(w.home, func(path string, _ os.DirEntry, err error) error {
		own = append(own, path)
		return err
	}))
	for _, path := range own {
		require.NoError(t, os.Chown(path, ordinary, ordinary))
	}
	for _, name := range []string{"loginctl", "systemd-run"} {
		require.NoError(t, os.Chmod(filepath.Join(l.tools, name), 0o700))
	}
	require.NoError(t, os.Chmod(filepath.Dir(w.bin), 0o755))
	user := fmt.Sprintf(`exec setpriv --reuid %d --regid %[1]d --clear-groups "$@"`, ordinary)
	w.within = []string{"/bin/sh", "-c", user, "sh"}
	w.env = append(w.env, "PATH="+l.tools+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+l.tools)
	in := *w
	in.within = []string{"/bin/sh", "-c", "echo $$ >" + scope + "/cgroup.procs && " + user, "sh"}
	l.world = &in
	return l
}

// put writes one of the stand-ins' files.
func (l *loggedIn) put(name, text string) {
	l.t.Helper()
	path := filepath.Join(l.tools, name)
	require.NoError(l.t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(l.t, os.Chown(path, ordinary, ordinary))
}

// asked is what the stand-ins were asked.
func (l *loggedIn) asked() string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.tools, "asked"))
	require.NoError(l.t, err)
	return string(text)
}

// logout ends what is in the login's scope.
func (l *loggedIn) logout() {
	l.t.Helper()
	for _, pid := range members(l.t, l.scope) {
		require.NoError(l.t, syscall.Kill(pid, syscall.SIGKILL))
	}
	eventually(l.t, "the login is over", func() bool { return len(members(l.t, l.scope)) == 0 })
}

// leave makes a session whose command goes on.
func (l *loggedIn) leave() result {
	l.t.Helper()
	r := l.pss("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "left", "-n", "--script-block", numbered(l.home, 1, 7, "sleep 0.02"))
	require.Equal(l.t, 0, r.code, r.err)
	return r
}

// takeUp proves that the command has gone on, and receives all of its output.
func (l *loggedIn) takeUp() {
	l.t.Helper()
	n := count(l.home, 1)
	eventually(l.t, "the command goes on", func() bool { return count(l.home, 1) > n })
	l.put("../stop", "")
	r := l.out.as("next").pss("receive-pssession", "--computer-name", "localhost", "--name", "left")
	require.Equal(l.t, 7, r.code, r.err)
	checkNumbered(l.t, 1, r.out, r.err)
}

func (l *loggedIn) roles() []int { return []int{l.agent(), l.host(), l.facts()["left"].info.Pid} }

// allIn shows that agent, host and session host are in a control group.
func (l *loggedIn) allIn(group string) {
	l.t.Helper()
	for _, pid := range l.roles() {
		require.Contains(l.t, members(l.t, group), pid)
	}
}

// Where the processes of a login are killed at the logout, lingering is enabled, said,
// and everything is in a scope of the user's manager.
func TestLogoutKillsAndLingeringIsEnabled(t *testing.T) {
	t.Parallel()
	l := logIn(t, session, "KillUserProcesses=yes\nKillExcludeUsers=root\n", nil)
	l.put("polkit", "")
	require.Contains(t, l.leave().err, "WARNING: Lingering was enabled for user ann")
	l.allIn(l.outside)
	require.Contains(t, l.asked(), fmt.Sprintf("loginctl --no-ask-password enable-linger %d\n", ordinary))
	require.Empty(t, members(t, l.scope))
	l.takeUp()
}

// Where lingering is on, nothing is enabled and nothing is said.
func TestLogoutKillsAndTheUserLingers(t *testing.T) {
	t.Parallel()
	l := logIn(t, session, "KillUserProcesses=yes\n", nil)
	l.put("linger", "yes\n")
	require.NotContains(t, l.leave().err, "WARNING")
	l.allIn(l.outside)
	require.NotContains(t, l.asked(), "enable-linger")
	l.takeUp()
}

// Where lingering is not possible, no session is made; once an administrator has
// enabled it, the same agent and host make one that survives.
func TestLogoutKillsAndLingeringIsDenied(t *testing.T) {
	t.Parallel()
	l := logIn(t, session, "KillUserProcesses=yes\nKillExcludeUsers=root\n", nil)
	for _, c := range []struct {
		code int
		args []string
	}{
		{1, []string{"new-pssession", "--name", "none"}},
		{246, []string{"invoke-command", "--computer-name", "localhost", "--script-block", "echo ran >" + l.path("ran")}},
		{246, []string{"invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--script-block", "echo ran >" + l.path("ran")}},
	} {
		r := l.pss(c.args...)
		require.Equal(t, c.code, r.code, r.err)
		require.Contains(t, r.err, "SessionWouldNotSurviveLogout")
		require.Contains(t, r.err, "ask an administrator for: loginctl enable-linger ann;")
		require.Contains(t, r.err, "survive_logout = false in "+l.path("host.toml"))
		require.Empty(t, r.out)
	}
	require.NoFileExists(t, l.path("ran"))
	left, err := filepath.Glob(l.path("s", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Empty(t, l.list("localhost"))
	require.NotContains(t, l.asked(), "systemd-run")
	agent := l.agent()

	l.put("linger", "yes\n")
	eventually(t, "a session is made", func() bool { return l.pss("new-pssession", "--name", "trial").code == 0 })
	l.must("remove-pssession", "--name", "trial")
	l.leave()
	require.Equal(t, agent, l.agent())
	require.Contains(t, members(t, l.outside), l.facts()["left"].info.Pid)
	l.logout()
	l.takeUp()
}

// Who accepts the loss has sessions that end with the login.
func TestLogoutKillsAndThatIsAccepted(t *testing.T) {
	t.Parallel()
	l := logIn(t, session, "KillUserProcesses=yes\n", map[string]string{"host.toml": "survive_logout = false\n"})
	l.leave()
	l.allIn(l.scope)
	l.takeUp()
}

// Where a logout kills nothing, the login is the place that survives: the user's
// manager would end with the last login, and all of its scopes.
func TestLogoutKillsNothing(t *testing.T) {
	t.Parallel()
	l := logIn(t, session, "KillUserProcesses=no\n", nil)
	l.put("polkit", "")
	require.NotContains(t, l.leave().err, "WARNING")
	l.allIn(l.scope)
	require.NotContains(t, l.asked(), "enable-linger")
	require.NotContains(t, l.asked(), "systemd-run")
	l.takeUp()
}

// What runs below the user's manager ends with the last login, whatever a logout kills:
// no session is made there before lingering is enabled, and then it stays there.
func TestLogoutEndsTheManagerOfADesktop(t *testing.T) {
	t.Parallel()
	l := logIn(t, desktop, "KillUserProcesses=no\n", nil)
	r := l.pss("new-pssession")
	require.Equal(t, 1, r.code, r.err)
	require.Contains(t, r.err, "SessionWouldNotSurviveLogout")
	l.put("polkit", "")
	eventually(t, "a session is made", func() bool { return l.pss("new-pssession", "--name", "trial").code == 0 })
	l.must("remove-pssession", "--name", "trial")
	l.leave()
	l.allIn(l.scope)
	require.NotContains(t, l.asked(), "systemd-run")
	l.takeUp()
	log, err := os.ReadFile(l.path("host", "log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "lingering was enabled")
}

// A host that was started in a login, and whose binary was replaced meanwhile, starts
// its sessions out of that login too.
func TestLogoutAndAReplacedBinary(t *testing.T) {
	t.Parallel()
	l := logIn(t, session, "KillUserProcesses=yes\n", nil)
	l.put("linger", "yes\n")
	data, err := os.ReadFile(l.bin)
	require.NoError(t, err)
	l.put("pss", string(data))
	old := filepath.Join(l.tools, "pss")
	require.NoError(t, os.Chmod(old, 0o700))
	host := l.with(old).start("host")
	eventually(t, "the host listens", func() bool { _, err := os.Stat(l.path("host", "info.json")); return err == nil })
	require.Contains(t, members(t, l.scope), host.cmd.Process.Pid)
	require.NoError(t, os.Remove(old))
	l.leave()
	require.Contains(t, members(t, l.outside), l.facts()["left"].info.Pid)
	l.logout()
	host.wait(t)
	l.takeUp()
}
