//go:build linux

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	cmd "pss/cmd/pss"
)

// A computer that ssh reaches may have another version of pss: it is used as it is.
func TestVersionsOverSSH(t *testing.T) {
	slowTier(t)
	t.Parallel()
	for _, pair := range [][2]string{{"this", "next"}, {"next", "this"}} {
		t.Run(pair[0]+"-"+pair[1], func(t *testing.T) {
			servers := newSSHServers(t)
			far := newWorld(t, builds[pair[1]], map[string]string{"host.toml": shortLease})
			near := newWorld(t, builds[pair[0]], map[string]string{"config.toml": hasty})
			overSSH(t, servers, near, far, cmd.SSHOptions{Name: "server01"})
			near.must("new-pssession", "--host-name", "server01", "--name", "s", "--output", "id")
			require.Equal(t, versionOf(pair[1]), far.session("s").Version)
			require.Equal(t, result{"out\n", "err\n", 3}, near.pss("invoke-command", "--name", "s", "--script-block", "v=kept; echo out; echo err >&2; exit 3"))
			near.must("disconnect-pssession", "--name", "s")
			near.must("connect-pssession", "--name", "s")
			require.Equal(t, "kept", near.must("invoke-command", "--name", "s", "--script-block", "echo $v"))
			near.must("remove-pssession", "--name", "s")
			require.Empty(t, far.list("localhost"))
		})
	}
}
