package identity

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The user database is a program that may know more than /etc, less of its databases
// than others do, and other names than the one that was asked for.
func TestOtherUserDatabases(t *testing.T) {
	bin := t.TempDir()
	script := `#!/bin/sh
case "$1 $2" in
"passwd alice") echo "alice:x:7001:7001::/home/alice:";;
"passwd bob") echo "robert:x:7002:7002::/home/bob:/bin/sh";;
"passwd carol") echo "carol:x:-1:7002::/home/bob:/bin/sh";;
passwd*) exit 2;;
*) exit 1;;
esac
`
	require.NoError(t, os.WriteFile(filepath.Join(bin, "getent"), []byte(script), 0o700)) //nolint:gosec // it is run
	require.NoError(t, os.WriteFile(filepath.Join(bin, "id"), []byte("#!/bin/sh\necho 7001 7009 7001\n"), 0o700))
	t.Setenv("PATH", bin)
	a, err := Lookup(context.Background(), "alice")
	require.NoError(t, err)
	assert.Equal(t, &Account{Name: "alice", UID: 7001, GID: 7001, Groups: []uint32{7001, 7009}, Home: "/home/alice", Shell: "/bin/sh"}, a)
	for _, name := range []string{"bob", "nobody-of-that-name"} {
		_, err = Lookup(context.Background(), name)
		assert.ErrorIs(t, err, ErrNoAccount, name)
	}
	_, err = Lookup(context.Background(), "carol")
	assert.Error(t, err)
	_, err = database(context.Background(), "group", "root")
	assert.NoError(t, err, "the file is read where getent does not know the database")
}
