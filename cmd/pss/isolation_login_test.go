//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// whatIAm tells what a process is to the system. The last line is the serial number of
// its session keyring.
const whatIAm = `
echo user $(id -un)
echo groups $(id -G | tr ' ' '\n' | sort -n)
echo mask $(umask)
echo folder $(pwd)
echo files $(ulimit -Hn) $(ulimit -Sn)
echo core $(ulimit -Hc)
echo path $PATH
echo keyring $(perl -e 'print syscall(250, 0, -3, 0)')
env | sort | sed 's/^/env /'
`

// facts are the lines of whatIAm: word and the rest.
func facts(text string) map[string]string {
	f := map[string]string{}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "env" {
			name, value, _ := strings.Cut(rest, "=")
			word, rest = "env "+name, value
		}
		f[word] = rest
	}
	return f
}

// A session that comes from another computer is what a login of its user is: groups,
// limits, mask, folder, environment, keyring; and nothing of the daemon's that made it.
func TestIsolationIsLikeALogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"/etc/security/limits.conf": `
*     -    nofile 900
@devs hard nofile 800
alice soft nofile 700
alice hard core   0
`})
	secret := s.server.must("root", "perl", "-e", "print syscall(250, 0, -3, 0)")
	for user, want := range map[string][]string{"alice": {"800 700", "0"}, "bob": {"800 800", ""}, "carol": {"900 900", ""}} {
		s.open(user, "s")
		got := facts(s.must(user, "invoke-command", "--name", "s", "--script-block", whatIAm))
		assert.Equal(t, user, got["user"])
		groups := strings.Fields(s.server.must("root", "id", "-G", user))
		slices.SortFunc(groups, func(a, b string) int { return number(a) - number(b) })
		assert.Equal(t, strings.Join(groups, " "), got["groups"])
		assert.Equal(t, "0022", got["mask"])
		assert.Equal(t, "/home/"+user, got["folder"])
		assert.Equal(t, want[0], got["files"])
		if want[1] != "" {
			assert.Equal(t, want[1], got["core"])
		}
		for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/bin"} {
			assert.Contains(t, strings.Split(got["path"], ":"), dir)
		}
		for name, value := range map[string]string{"USER": user, "LOGNAME": user, "HOME": "/home/" + user, "SHELL": "/bin/bash"} {
			assert.Equal(t, value, got["env "+name])
		}
		for name, value := range got {
			assert.NotContains(t, value, "of-root", name)
			assert.NotContains(t, value, "/root", name)
			assert.NotContains(t, value, "/var/lo", name)
		}
		assert.NotEqual(t, secret, got["keyring"])
		assert.Positive(t, number(got["keyring"]))
		s.checkProcesses(user)
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// checkProcesses looks at what runs for the user on the server: all of it is the user's,
// and holds open nothing that is not.
func (s *site) checkProcesses(user string) {
	s.t.Helper()
	u, _ := s.server.User(user)
	pids := strings.Fields(s.server.must("root", "pgrep", "-u", user))
	assert.NotEmpty(s.t, pids)
	for _, pid := range pids {
		status := facts(strings.ReplaceAll(s.server.read("/proc/"+pid+"/status"), ":\t", " "))
		uid, gid := strconv.Itoa(u.UID), strconv.Itoa(u.GID)
		assert.Equal(s.t, []string{uid, uid, uid, uid}, strings.Fields(status["Uid"]))
		assert.Equal(s.t, []string{gid, gid, gid, gid}, strings.Fields(status["Gid"]))
		assert.Equal(s.t, "0000000000000000", status["CapPrm"])
		assert.NotContains(s.t, s.server.read("/proc/"+pid+"/environ"), "of-root")
		links, err := filepath.Glob(s.server.Path("/proc/" + pid + "/fd/*"))
		require.NoError(s.t, err)
		for _, link := range links {
			to, err := os.Readlink(link)
			if err != nil {
				continue // closed meanwhile
			}
			for _, roots := range []string{"/var/", "/etc/", "/root", "/run/pss"} {
				assert.NotContains(s.t, to, roots, "process %s of %s: %s", pid, user, status["Name"])
			}
		}
	}
}

// read returns the text of a file, or "" if it is not there.
func (l *lab) read(path string) string {
	text, _ := os.ReadFile(l.Path(path))
	return string(text)
}
