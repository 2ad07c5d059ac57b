//go:build linux

package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	systemUnit   = "/etc/systemd/system/pss.service"
	systemBinary = "/usr/local/bin/pss"
)

// One command makes a computer a host, another one undoes all of it.
func TestEnablePSRemoting(t *testing.T) {
	t.Parallel()
	c := newCell(t, "systemd/system")
	pss := filepath.Join(c.dir, "pss")
	// Where other users cannot run it, it cannot serve them.
	c.must("install", "-m", "700", "-d", "/root/private")
	c.must("cp", pss, "/root/private")
	before := c.tree()

	c.must(pss, "enable-psremoting", "--what-if")
	c.fails("UnsafeBinary", pss, "enable-psremoting", "--binary", "/root/private/pss")
	require.Equal(t, before, c.tree(), "--what-if does nothing")
	c.fails("ParameterBindingFailed", pss, "enable-psremoting", "--listen", "nonsense")
	c.fails("UnsafeBinary", pss, "enable-psremoting", "--binary", pss)
	require.NoError(t, os.WriteFile(c.root+"/home/alice/pss", nil, 0o755)) // root's, but alice can replace it
	c.fails("UnsafeBinary", pss, "enable-psremoting", "--binary", "/home/alice/pss")
	require.NoError(t, os.Remove(c.root+"/home/alice/pss"))
	require.Equal(t, before, c.tree(), "what is refused does nothing")

	i := c.enable(pss, "Enable-PSRemoting", "-Force", "-SkipNetworkProfileCheck")
	info, ok := c.hostInfo()
	require.True(t, ok)
	assert.Equal(t, 5986, i.Port)
	assert.Equal(t, systemBinary, i.Binary, "others could replace the one that ran")
	assert.Equal(t, "all", i.Serves)
	assert.Equal(t, info.Fingerprint, i.Fingerprint)
	assert.Equal(t, "/run/pss/sock", info.Socket)
	assert.Equal(t, "PSS_FINGERPRINT="+i.Fingerprint+" pss new-pssession --computer-name "+i.ComputerName, i.Command)
	assert.Equal(t, "root 755 /etc/pss\nroot 600 /etc/pss/host.toml\nroot 755 /run/pss\nroot 644 /run/pss/host.json\nroot 700 /var/lib/pss\nroot 600 /var/lib/pss/host/cert.pem",
		c.must("stat", "-c", "%U %a %n", "/etc/pss", "/etc/pss/host.toml", "/run/pss", "/run/pss/host.json", "/var/lib/pss", "/var/lib/pss/host/cert.pem"))
	if _, err := exec.LookPath("systemd-analyze"); err == nil { // which leaves something in /run
		assert.Equal(t, result{}, c.run("unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /run; exec systemd-analyze verify "+systemUnit))
	}

	// The stand-in gives a service 4096 descriptors.
	assert.Contains(t, c.read("/run/standin/err"), `"limit":"RLIMIT_NOFILE","value":4096,"sessions":1024`)
	assert.Contains(t, c.run(pss, "enable-psremoting").err, "WARNING: RLIMIT_NOFILE is 4096: about 1024 sessions fit in")

	// Once more: nothing is to be done. What is missing is made again.
	assert.Empty(t, c.enable(systemBinary, "enable-psremoting").Changes)
	require.NoError(t, os.Remove(c.root+systemUnit))
	require.NoError(t, os.WriteFile(c.root+"/etc/pss/host.toml", []byte("listen = \":5986\"\nlease = \"10s\"\n"), 0o600))
	again := c.enable(pss, "enable-psremoting")
	assert.Equal(t, []string{"Write the service: " + systemUnit, "Start the service again: " + systemUnit}, again.Changes)
	assert.Contains(t, c.read("/etc/pss/host.toml"), "lease", "it is never written again")
	c.fails("ListenConfigured", pss, "enable-psremoting", "--listen", ":7000")
	c.must("systemctl", "stop", "pss")
	assert.Equal(t, []string{"Start the service: " + systemUnit}, c.enable(pss, "enable-psremoting").Changes)

	c.fails("ConfirmationRequired", pss, "disable-psremoting", "--purge")
	c.must(pss, "disable-psremoting", "--purge", "--what-if")
	require.NotEmpty(t, c.read(systemUnit))
	c.must(pss, "disable-psremoting", "--purge", "--force")
	require.Equal(t, before, c.tree(), "everything is undone")
}

// A restart of the service, and a newer binary, leave the sessions alone: root's own shell
// is the same process, with the same variables, and goes on meanwhile.
func TestRestartAndUpgradeLeaveSessions(t *testing.T) {
	slowTier(t)
	t.Parallel()
	c := newCell(t, "systemd/system")
	before := c.tree()
	i := c.enable(filepath.Join(c.dir, "pss"), "enable-psremoting")
	c.client(i, "/var/lib/pss/host/token")
	c.must(c.pss("new-pssession", "--computer-name", "server", "--name", "s")...)
	ask := c.pss("invoke-command", "--name", "s", "--no-stdin", "--script-block", `echo "$$ ${n:=0}"; n=$((n+1))`)
	shell := strings.Fields(c.must(ask...))[0]
	marker := filepath.Join(c.dir, "go")
	c.must(c.pss("invoke-command", "--computer-name", "server", "--in-disconnected-session", "--session-name", "long", "--no-stdin",
		"--script-block", "until [ -e "+marker+" ]; do sleep 0.05; done; echo done; exit 7")...)

	c.must("systemctl", "restart", "pss")
	eventually(t, "the next daemon serves", func() bool { now, ok := c.hostInfo(); return ok && now.Pid != i.Pid })
	require.Equal(t, shell+" 1", c.must(ask...))

	next, err := nextPSS()
	require.NoError(t, err)
	newer := c.enable(next, "enable-psremoting")
	require.Equal(t, []string{"Install the binary: " + systemBinary, "Start the service again: " + systemUnit}, newer.Changes)
	info, _ := c.hostInfo()
	require.Equal(t, versionOf("next"), info.Version)
	require.Equal(t, shell+" 2", c.must(ask...))
	require.NoError(t, os.WriteFile(marker, nil, 0o600))
	require.Equal(t, result{"done\n", "", 7}, c.run(c.pss("receive-pssession", "--computer-name", "server", "--name", "long", "--quiet")...))

	c.must(next, "disable-psremoting", "--purge", "--force")
	require.Equal(t, before, c.tree())
	require.DirExists(t, c.root+"/proc/"+shell, "the session is root's own, and goes on")
}

// Disabled, a host makes no sessions for other computers; it goes on for its own one, and
// for the sessions that are there.
func TestDisablePSRemoting(t *testing.T) {
	t.Parallel()
	c := newCell(t, "systemd/system")
	pss := filepath.Join(c.dir, "pss")
	i := c.enable(pss, "enable-psremoting")
	c.client(i, "/var/lib/pss/host/token")
	c.must(c.pss("new-pssession", "--computer-name", "server", "--name", "s")...)
	c.must(c.pss("disconnect-pssession", "--name", "s")...)

	require.Contains(t, c.run(pss, "disable-psremoting").err, "WARNING: ")
	c.must(pss, "disable-psremoting") // once more is no error
	c.fails("AccessDenied,PSSessionOpenFailed", c.pss("new-pssession", "--computer-name", "server")...)
	require.Equal(t, 241, c.run(c.pss("invoke-command", "--computer-name", "server", "--no-stdin", "--script-block", "echo no")...).code)
	c.must(c.pss("connect-pssession", "--computer-name", "server", "--name", "s")...)
	require.Equal(t, "5", c.must(c.pss("invoke-command", "--name", "s", "--no-stdin", "--script-block", "echo 5")...))
	require.Equal(t, "6", c.must(c.pss("invoke-command", "--computer-name", "here", "--no-stdin", "--script-block", "echo 6")...))
	c.must("systemctl", "restart", "pss")
	eventually(t, "the next daemon serves", func() bool { now, ok := c.hostInfo(); return ok && now.Pid != i.Pid })
	c.fails("AccessDenied,PSSessionOpenFailed", c.pss("new-pssession", "--computer-name", "server")...)

	require.Equal(t, []string{"Allow new sessions for other computers: /var/lib/pss/host/remote-disabled"}, c.enable(pss, "enable-psremoting").Changes)
	c.must(c.pss("new-pssession", "--computer-name", "server")...)

	// What other users run is none of root's business.
	alice := c.as("4001", "/home/alice")
	alice.must(systemBinary, "new-pssession", "--name", "own")
	ask := []string{systemBinary, "invoke-command", "--name", "own", "--no-stdin", "--script-block", "echo $$"}
	shell := alice.must(ask...)
	require.Regexp(t, `(?m)^\d+ session hosts go on`, c.run(pss, "disable-psremoting", "--purge", "--force").err)
	require.DirExists(t, c.root+"/proc/"+shell)
}

// Without root it is a service of the user's, who alone is served.
func TestEnablePSRemotingForOneself(t *testing.T) {
	t.Parallel()
	c := newCell(t, "systemd/system")
	c.must("cp", filepath.Join(c.dir, "pss"), systemBinary)
	alice := c.as("4001", "/home/alice")
	alice.fails("System.InvalidOperationException", systemBinary, "host", "--system")
	before := c.tree()
	// A host without a port that serves a session already gives way to the service.
	alice.must(systemBinary, "new-pssession", "--name", "local")
	ask := []string{systemBinary, "invoke-command", "--name", "local", "--no-stdin", "--script-block", "echo $$"}
	shell := alice.must(ask...)
	i := alice.enable(systemBinary, "enable-psremoting", "--listen", outside+":7001")
	assert.Equal(t, "alice", i.Serves)
	assert.Equal(t, outside, i.ComputerName)
	assert.Contains(t, i.Command, " --computer-name "+outside+" --port 7001")
	assert.Equal(t, "/home/alice/.config/systemd/user/pss.service", i.Unit)
	assert.Contains(t, i.Changes, "Enable lingering: alice")
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		r := alice.run("env", "XDG_RUNTIME_DIR=/run/user/4001", "systemd-analyze", "--user", "verify", i.Unit)
		assert.Equal(t, 0, r.code, r.err)
		assert.NotContains(t, r.err, "pss.service")
	}
	assert.Equal(t, shell, alice.must(ask...))
	assert.Contains(t, alice.run(systemBinary, "enable-psremoting").err, "it serves user alice only")
	require.NoError(t, os.WriteFile(c.root+"/home/alice/.config/pss/config.toml", nil, 0o644))
	alice.must(systemBinary, "disable-psremoting", "--purge", "--force")
	after := c.tree()
	assert.Contains(t, after, "/home/alice/.config/pss/config.toml", "a client's settings stay")
	assert.Equal(t, shell, alice.must(ask...), "the user's sessions are not the service's")
	for _, gone := range []string{"pss.service", "host.toml", "linger-alice"} {
		assert.NotContains(t, after, gone)
		assert.NotContains(t, before, gone)
	}
}

// OpenRC runs a script; without any service manager the command to run is told.
func TestEnablePSRemotingWithoutSystemd(t *testing.T) {
	t.Parallel()
	c := newCell(t, "openrc")
	pss := filepath.Join(c.dir, "pss")
	before := c.tree()
	i := c.enable(pss, "enable-psremoting")
	assert.Equal(t, "OpenRC", i.Service)
	c.must("sh", "-n", "/etc/init.d/pss")
	c.client(i, "/var/lib/pss/host/token")
	c.must(c.pss("new-pssession", "--computer-name", "server", "--name", "s")...)
	ask := c.pss("invoke-command", "--name", "s", "--no-stdin", "--script-block", `echo $$`)
	shell := c.must(ask...)
	c.must("rc-service", "pss", "restart")
	eventually(t, "the next daemon serves", func() bool { now, ok := c.hostInfo(); return ok && now.Pid != i.Pid })
	require.Equal(t, shell, c.must(ask...))
	c.must("rc-service", "pss", "reload")
	assert.Empty(t, c.enable(pss, "enable-psremoting").Changes)
	c.must(pss, "disable-psremoting", "--purge", "--force")
	require.Equal(t, before, c.tree())

	require.NoError(t, os.RemoveAll(c.root+"/run/openrc"))
	r := c.run(pss, "enable-psremoting")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "ServiceManagerNotFound")
	require.Contains(t, r.err, systemBinary+" host --system")
}

// The service manager is told when the host takes requests, and not before.
func TestHostTellsThatItIsReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, nil)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.path("notify"), Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	w.env = append(w.env, "NOTIFY_SOCKET="+w.path("notify"))
	w.start("host", "--listen", "127.0.0.1:0")
	require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
	b := make([]byte, 64)
	n, err := l.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1", string(b[:n]))
	require.FileExists(t, w.path("host", "info.json"))
	w.must("new-pssession", "--name", "s")
	require.NotContains(t, string(proc(w.facts()["s"].info.Pid, "environ")), "NOTIFY_SOCKET", "sessions have no part in it")
}
