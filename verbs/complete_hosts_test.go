package verbs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSSHConfigHosts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	text := "Host a b\n  HostName 10.0.0.1\nhost=c\nHOST \"d\" *.corp !x web?\n# Host e\nMatch host f\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.Equal(t, []string{"a", "b", "c", "d"}, sshConfigHosts(path))
	require.Empty(t, sshConfigHosts(path+".not"))
}
