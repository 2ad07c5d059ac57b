//go:build linux

package main_test

import (
	"cmp"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canaries are files of root's that links of alice's lead to, and a socket that nobody
// else may connect to: who does is written down.
const canaries = `
mkdir -m 700 /root/canary
echo precious >/root/canary/file
echo precious >/root/canary/facts.json
exec perl -MIO::Socket::UNIX -e '
	$l = IO::Socket::UNIX->new(Local => "/root/canary/sock", Listen => 9) or die;
	$| = 1; print "listening\n"; while ($c = $l->accept) { print "dialled\n"; close $c }'
`

// hostile replaces what a user's host keeps by links to what is root's, one part after
// the other; each time the daemon is asked for everything. $0 is the part.
const hostile = `
cd ~/.local/state/pss/* || exit 1
mv "$0" "$0.own" 2>/dev/null
mkdir -p "$(dirname "$0")"
case $0 in
host/sock) ln -s /root/canary/sock "$0" ;;
s | s/planted | host | .) ln -s /root/canary "$0" ;;
*) ln -s /root/canary/file "$0" ;;
esac
`

// The root daemon opens, unlinks and dials nothing below a folder that somebody else can
// write to: links of a user's lead it nowhere, and what they plant is believed by nobody
// but their own host.
func TestIsolationFromHostileUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	watch := s.server.start("root", "sh", "-c", canaries)
	eventually(t, "the canaries sit", func() bool { return watch.out.String() != "" })
	before := s.server.must("root", "sh", "-c", "ls -lRin --time-style=full-iso /root/canary /etc/shadow; cat /root/canary/f*")
	if _, err := exec.LookPath("strace"); err == nil {
		s.kill()
		s.start("strace", "-ff", "-y", "-s", "300", "-o", "/var/log/trace",
			"-e", "trace=%file,connect,bind,setuid,setresuid,clone,clone3,fork,vfork")
	}
	bobs := s.open("bob", "bobs")
	s.open("alice", "mine")
	s.must("alice", "disconnect-pssession", "--name", "mine")
	parts := []string{"host/sock", "host/lock", "host/log", "s/planted", "s", "host"}
	if slow() {
		parts = append(parts, "host/token", "host/id", "host/audit.ndjson", "host/cert.pem", "agent", ".probe")
	}
	for _, part := range parts {
		s.server.must("alice", "sh", "-c", "pkill -9 -u alice pss; exit 0") // its next host finds it so
		r := s.server.run("alice", "sh", "-c", hostile, part)
		require.Zero(t, r.code, r.err)
		begun := time.Now()
		s.pss("alice", "get-pssession", "--computer-name", "server01")
		s.pss("alice", "new-pssession", "--computer-name", "server01", "--name", "more")
		s.pss("alice", "remove-pssession", "--computer-name", "server01", "--name", "mine", "--force")
		assert.Less(t, time.Since(begun), patience, part)
		assert.Equal(t, "bobs", s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "name"))
		s.server.must("alice", "sh", "-c", `cd ~/.local/state/pss/* && rm -f "$0" && { mv "$0.own" "$0" 2>/dev/null || true; }`, part)
	}
	assert.Equal(t, bobs, s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "instance-id"))
	assert.Equal(t, before, s.server.must("root", "sh", "-c", "ls -lRin --time-style=full-iso /root/canary /etc/shadow; cat /root/canary/f*"))
	assert.Equal(t, "listening\n", watch.out.String())
	s.checkTrace()
}

// What alice's files say of somebody else's session moves nobody but herself.
func TestIsolationOfPlantedFacts(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{siteFolder + "/configurations/ops.toml": "RunAsUser = \"deploy\"\nAllowedUsers = [\"bob\"]\n"})
	bobs := s.open("bob", "bobs")
	shared := s.open("bob", "shared", "--configuration-name", "ops")
	s.must("bob", "invoke-command", "--name", "bobs", "--script-block", "kept=bobs")
	own := s.open("alice", "own")
	s.must("alice", "disconnect-pssession", "--name", "own")
	for i, as := range []string{bobs, shared} {
		s.server.must("alice", "sh", "-c", `
			cd ~/.local/state/pss/*/s && pkill -9 -u alice pss
			from=$(dirname $(grep -l "$0" */facts.json)) && cp -a "$from" "planted$3" && rm -f "planted$3/sock" &&
			perl -pi -e "s/$0/$1/g; s/\"Owner\": \"alice\"/\"Owner\": \"$2\"/; s/own/bobs/; s/Microsoft.PowerShell/ops/" "planted$3"/facts*`,
			own, as, []string{"bob", "deploy"}[i], fmt.Sprint(i))
	}
	s.pss("alice", "get-pssession", "--computer-name", "server01")
	for _, id := range []string{bobs, shared} {
		s.pss("alice", "connect-pssession", "--computer-name", "server01", "--instance-id", id)
		s.pss("alice", "receive-pssession", "--computer-name", "server01", "--instance-id", id)
		s.pss("alice", "remove-pssession", "--computer-name", "server01", "--instance-id", id, "--force")
	}
	assert.Equal(t, "bobs\nshared", s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "name"))
	assert.Equal(t, "bobs", s.must("bob", "invoke-command", "--name", "bobs", "--script-block", "echo $kept"))
	assert.Equal(t, "deploy", s.must("bob", "invoke-command", "--name", "shared", "--script-block", "id -un"))
	assert.Empty(t, s.must("carol", "get-pssession", "--computer-name", "server01", "--output", "name"))
	for _, user := range []string{"bob", "carol"} {
		assert.NotContains(t, s.must(user, "get-pssession", "--computer-name", "server01", "--output", "json"), `"own"`)
	}

	// A host of alice's that answers nobody holds up nobody else.
	s.server.must("alice", "pkill", "-STOP", "-u", "alice", "pss")
	silent := s.client.start("alice", "pss", "get-pssession", "--computer-name", "server01")
	assert.Equal(t, "bobs\nshared", s.must("bob", "get-pssession", "--computer-name", "server01", "--output", "name"))
	s.server.must("alice", "pkill", "-CONT", "-u", "alice", "pss")
	silent.wait()
}

var (
	tracedUser  = regexp.MustCompile(`^set(?:res)?uid\(([1-9]\d*)\b.*= 0$`)
	tracedChild = regexp.MustCompile(`^(?:clone3?|v?fork)\(.*= (\d+)`)
	tracedHome  = regexp.MustCompile(`^execve\("[^"]*"`)
)

// startLost reports whether the line starts something, and does not say what.
func startLost(line string) bool {
	begun := strings.HasPrefix(line, "clone") || strings.HasPrefix(line, "fork") || strings.HasPrefix(line, "vfork")
	return begun && strings.HasSuffix(line, "= ?")
}

// checkTrace demands that no thread that was root touched a path below /home.
func (s *site) checkTrace() {
	s.t.Helper()
	files, err := filepath.Glob(s.server.Path("/var/log/trace.*"))
	require.NoError(s.t, err)
	if len(files) == 0 {
		s.t.Log("strace is not installed: only what was touched was looked at")
		return
	}
	born := map[string]bool{} // by a thread that was root
	texts, children := map[string][]string{}, map[string]bool{}
	for _, file := range files {
		pid := strings.TrimPrefix(filepath.Ext(file), ".")
		texts[pid] = strings.Split(s.server.read("/var/log/trace."+pid), "\n")
		for _, line := range texts[pid] {
			if m := tracedChild.FindStringSubmatch(line); m != nil {
				children[m[1]] = true
			}
		}
	}
	seen := 0
	var scan func(pid string)
	scan = func(pid string) {
		if born[pid] {
			return
		}
		born[pid] = true
		for _, line := range texts[pid] {
			if tracedUser.MatchString(line) {
				return // from here on it is a user's
			}
			seen++
			assert.False(s.t, startLost(line), "a child of thread %s of root is not known", pid)
			if m := tracedChild.FindStringSubmatch(line); m != nil {
				scan(m[1])
			}
			if m := tracedHome.FindString(line); m != "" {
				line = m // its arguments are no paths that it opens
			}
			assert.NotContains(s.t, line, "/home/", "thread %s of root", pid)
		}
	}
	// A process that is killed while it starts another does not say which: no parent is known
	// of that one. Only users' processes are killed here, and the first is the daemon.
	first := slices.MinFunc(slices.Collect(maps.Keys(texts)), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	require.False(s.t, children[first])
	scan(first)
	assert.Greater(s.t, seen, 100)
	assert.Greater(s.t, len(texts), len(born), "no process of a user was started")
}
