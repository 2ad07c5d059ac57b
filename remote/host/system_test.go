package host

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// After Disable-PSRemoting the network brings no new sessions; this computer and ssh do.
func TestRemoteDisabled(t *testing.T) {
	h := &Host{o: Options{Paths: config.Paths{State: t.TempDir()}}}
	ask := func(from string, c net.Conn) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "/", http.NoBody)
		require.NoError(t, err)
		r.RemoteAddr = from
		return h.remoteDisabled(r.WithContext(knowConn(r.Context(), c)))
	}
	require.NoError(t, ask("10.0.0.5:999", nil))
	require.NoError(t, os.Mkdir(h.o.Paths.HostDir(), 0o700))
	require.NoError(t, os.WriteFile(h.o.Paths.RemoteDisabled(), nil, 0o600))
	assert.Equal(t, "AccessDenied,PSSessionOpenFailed", api.AsError(ask("10.0.0.5:999", nil)).FullyQualifiedErrorID)
	assert.Error(t, ask("[fd00::5]:999", nil))
	assert.Error(t, ask("nonsense", nil))
	assert.NoError(t, ask("127.0.0.1:999", nil))
	assert.NoError(t, ask("[::1]:999", nil))

	socket := filepath.Join(t.TempDir(), "s")
	l, err := client.ListenOwner(socket)
	require.NoError(t, err)
	defer l.Close()
	c, err := platform.Dial(t.Context(), socket)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte(client.FromSSH("10.0.0.5 1 2 3") + "\n"))
	require.NoError(t, err)
	own, err := l.Accept()
	require.NoError(t, err)
	defer own.Close()
	_, bySocket := client.OriginOf(own)
	require.True(t, bySocket)
	assert.NoError(t, ask(own.RemoteAddr().String(), own))
}
