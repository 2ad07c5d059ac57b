//go:build unix

package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the daemon tells counts only where nobody but root can have put it.
func TestSystemInfoIsRoots(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files that are root's")
	}
	for name, spoil := range map[string]func(dir, file string) error{
		"the file is somebody's":     func(_, file string) error { return os.Chown(file, 12345, 0) },
		"others may write it":        func(_, file string) error { return os.Chmod(file, 0o646) },
		"the folder is somebody's":   func(dir, _ string) error { return os.Chown(dir, 12345, 0) },
		"others may write there":     func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"the file is a link":         func(_, file string) error { return relink(file) },
		"the folder is a link":       func(dir, _ string) error { return relink(dir) },
		"it is not there":            func(_, file string) error { return os.Remove(file) },
		"it is a folder":             func(_, file string) error { os.Remove(file); return os.Mkdir(file, 0o755) },
		"it is torn":                 func(_, file string) error { return os.WriteFile(file, []byte(`{"Socket": "`), 0o600) },
		"a group may write there":    func(dir, _ string) error { os.Chown(dir, 0, 12345); return os.Chmod(dir, 0o775) },
		"a group may write the file": func(_, file string) error { os.Chown(file, 0, 12345); return os.Chmod(file, 0o664) },
	} {
		p := Paths{Runtime: filepath.Join(t.TempDir(), "run")}
		require.NoError(t, os.Mkdir(p.Runtime, 0o755))
		require.NoError(t, os.WriteFile(p.SystemInfo(), []byte(`{"Socket": "/run/pss/sock"}`), 0o600))
		require.NoError(t, os.Chmod(p.SystemInfo(), 0o644))
		info, err := p.readSystemInfo()
		require.NoError(t, err)
		require.Equal(t, "/run/pss/sock", info.Socket)
		require.NoError(t, spoil(p.Runtime, p.SystemInfo()))
		_, err = p.readSystemInfo()
		assert.Error(t, err, name)
	}
	t.Setenv("PSS_HOME", t.TempDir())
	_, ok := Daemon()
	assert.False(t, ok)
	assert.Empty(t, DaemonMark())
}

func relink(path string) error {
	if err := os.Rename(path, path+".real"); err != nil {
		return err
	}
	return os.Symlink(path+".real", path)
}
