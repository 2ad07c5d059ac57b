//go:build linux

package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/config"
)

// cable is a cable between us and a network namespace, where clients are run.
type cable struct {
	t           *testing.T
	space, end  string // the namespace, and our end
	here, there string // addresses
}

// newCable needs root, and skips the test where a namespace cannot be made.
func newCable(t *testing.T) *cable {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		t.Skip("network namespaces need root and ip")
	}
	id := os.Getpid() % 60000
	c := &cable{
		t: t, space: fmt.Sprintf("pss%d", id), end: fmt.Sprintf("psv%d", id),
		here: fmt.Sprintf("10.%d.%d.1", 64+id>>8&63, id&255), there: fmt.Sprintf("10.%d.%d.2", 64+id>>8&63, id&255),
	}
	if out, err := exec.Command("ip", "netns", "add", c.space).CombinedOutput(); err != nil {
		t.Skipf("no network namespace: %s", out)
	}
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", c.end).Run()
		_ = exec.Command("ip", "netns", "del", c.space).Run()
	})
	if out, err := exec.Command("ip", "link", "add", c.end, "type", "veth", "peer", "name", "there", "netns", c.space).CombinedOutput(); err != nil {
		t.Skipf("no pair of network devices: %s", out)
	}
	c.ip("addr add " + c.here + "/24 dev " + c.end)
	c.ip("link set " + c.end + " up")
	c.ip("-n " + c.space + " addr add " + c.there + "/24 dev there")
	c.ip("-n " + c.space + " link set there up")
	return c
}

func (c *cable) ip(args string) {
	c.t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	require.NoError(c.t, err, "ip %s: %s", args, out)
}

// Scenario 68: on a real network. The cable is pulled for a while, and later the client's
// computer gets another address, so that its old connections lead nowhere and no end of
// them ever arrives. Both are noticed, and nothing is lost or doubled.
func TestScenario68CableAndAddress(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	far := newWorld(t, racePSS, map[string]string{"host.toml": shortLease})
	far.start("host", "--listen", net.JoinHostPort(c.here, "0"))
	var info config.HostInfo
	eventually(t, "the host listens", func() bool { return config.ReadJSON(far.path("host", "info.json"), &info) == nil })
	near := newWorld(t, racePSS, map[string]string{"config.toml": fmt.Sprintf("%s[computers.x]\naddress = %q\nfingerprint = %q\ntoken_file = %q\n",
		hasty, net.JoinHostPort(info.Address, strconv.Itoa(info.Port)), info.Fingerprint, far.path("host", "token"))})
	near.within = []string{"ip", "netns", "exec", c.space}
	near.must("new-pssession", "--computer-name", "x", "--name", "s", "--output", "id")
	r := near.start("invoke-command", "--session", "1", "--script-block", numbered(far.home, 1, 4, "sleep 0.05"))
	eventually(t, "output", func() bool { return strings.Contains(r.out.String(), "o 5 ") })
	for i, out := range []struct{ begin, end string }{
		{"link set " + c.end + " down", "link set " + c.end + " up"},
		{
			"-n " + c.space + " addr del " + c.there + "/24 dev there",
			"-n " + c.space + " addr add " + strings.TrimSuffix(c.there, "2") + "3/24 dev there",
		},
	} {
		c.ip(out.begin)
		eventually(t, "the outage is told", func() bool { return len(interrupted.FindAllString(r.errs.String(), -1)) == i+1 })
		eventually(t, "the host lets go", func() bool { return far.facts()["s"].info.Attached == nil })
		here := count(far.home, 1)
		eventually(t, "the command goes on", func() bool { return count(far.home, 1) > here })
		seen := len(r.out.String())
		c.ip(out.end)
		eventually(t, "output comes again", func() bool { return len(r.out.String()) > seen })
		eventually(t, "the end is told", func() bool { return len(restored.FindAllString(r.errs.String(), -1)) == i+1 })
	}
	require.NoError(t, os.WriteFile(far.path("stop"), nil, 0o600))
	require.Equal(t, 4, r.wait(t), r.errs.String())
	checkNumbered(t, 1, r.out.String(), withoutWarnings(r.errs.String()))
}
