package identity

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// lineOf is a key's line in authorized_keys with these options.
func lineOf(t testing.TB, options string) string {
	t.Helper()
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGUH4ooxVYnzXnZHNdDTFMTa9bIqtvLpsa8Vz6tZbu0L alice@server01"
	return strings.TrimSpace(options + " " + key)
}

func TestOptionsOfAKey(t *testing.T) {
	for options, ok := range map[string]bool{
		"": true, "restrict": true, "no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc": true,
		"restrict,pty": true, "PERMITOPEN=\"a:1\"": true, `permitlisten="8080"`: true, "no-touch-required": true, "verify-required": true,
		`from="10.0.0.0/8,!10.1.*"`: true, `expiry-time="20990101"`: true, `expiry-time="209901011530Z"`: true,
		`command="id"`: false, `environment="A=b"`: false, "cert-authority": false, `principals="a"`: false, `tunnel="0"`: false,
		"something-new": false, `something="new"`: false, `expiry-time="tomorrow"`: false, `from="10.0.0.1/8"`: false, `from="10.0.0.0/99"`: false,
		`from=""`: false, `from="a",from="b"`: false, "no-such,restrict": false, `restrict,command="x"`: false, `from=10.0.0.1`: false,
	} {
		keys, err := ParseAuthorizedKeys([]byte(lineOf(t, options) + "\n"))
		require.NoError(t, err)
		assert.Equal(t, ok, len(keys) == 1, options)
	}
	// A line that is refused takes no other with it.
	keys, err := ParseAuthorizedKeys([]byte("# a comment\n\nrubbish\n" + lineOf(t, `command="x"`) + "\n  " + lineOf(t, "no-touch-required,verify-required") + "\r\n"))
	require.NoError(t, err)
	require.Len(t, keys, 1)
	assert.Equal(t, Demands{NoTouch: true, Verified: true}, keys[0].Demands)
	_, err = ParseAuthorizedKeys([]byte(strings.Repeat("\n", maxKeyLines+1)))
	require.Error(t, err)
	_, err = ParseAuthorizedKeys([]byte(strings.Repeat("x", maxKeyFile+1)))
	require.Error(t, err)
}

func TestWhereAndWhenAKeyAdmits(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		options, from string
		ok            bool
	}{
		{"", "192.0.2.1", true},
		{`from="192.0.2.1"`, "192.0.2.1", true},
		{`from="192.0.2.1"`, "::ffff:192.0.2.1", true},
		{`from="192.0.2.1"`, "192.0.2.10", false},
		{`from="192.0.2.*"`, "192.0.2.10", true},
		{`from="192.0.2.?"`, "192.0.2.10", false},
		{`from="192.0.2.0/24"`, "192.0.2.10", true},
		{`from="192.0.2.0/24"`, "192.0.3.10", false},
		{`from="192.0.2.0/24,!192.0.2.10"`, "192.0.2.10", false},
		{`from="!192.0.2.10,192.0.2.0/24"`, "192.0.2.11", true},
		{`from="!192.0.2.10"`, "192.0.2.11", false},
		{`from="2001:db8::/32"`, "2001:db8::1", true},
		{`from="server01.example.com"`, "192.0.2.1", false},
		{`from="*"`, "", false},
		{`expiry-time="20300102030405Z"`, "192.0.2.1", false},
		{`expiry-time="20300102030406Z"`, "192.0.2.1", true},
		{`expiry-time="20990101",expiry-time="20200101"`, "192.0.2.1", false},
	} {
		keys, err := ParseAuthorizedKeys([]byte(lineOf(t, c.options)))
		require.NoError(t, err)
		require.Len(t, keys, 1, c.options)
		addr, _ := netip.ParseAddr(c.from)
		assert.Equal(t, c.ok, keys[0].Admits(addr, now), "%s from %s", c.options, c.from)
	}
}

// ourAccount is us, with another home.
func ourAccount(home string) *Account {
	return &Account{Name: "alice", UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Groups: []uint32{uint32(os.Getegid())}, Home: home, Shell: "/bin/sh"}
}

// StrictModes: whoever else may write to the file or a folder above it could let
// themselves in.
func TestKeyFileOfOthersIsNotRead(t *testing.T) {
	t.Parallel()
	home, err := os.MkdirTemp("/tmp", "psh") // above home it does not matter
	require.NoError(t, err)
	defer os.RemoveAll(home)
	dir, file := filepath.Join(home, ".ssh"), filepath.Join(home, ".ssh", "authorized_keys")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(file, []byte(lineOf(t, "")+"\n"), 0o600))
	read := func(pattern string) (int, error) {
		keys, err := AuthorizedKeys(context.Background(), ourAccount(home), pattern)
		return len(keys), err
	}
	n, err := read("")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = read("%h/.ssh/authorized_keys")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = read(".ssh/none")
	require.NoError(t, err)
	require.Zero(t, n, "no file is no keys")
	for path, mode := range map[string]os.FileMode{file: 0o600, dir: 0o700, home: 0o700} {
		for _, open := range []os.FileMode{0o020, 0o002} {
			require.NoError(t, os.Chmod(path, mode|open))
			_, err := read("")
			assert.ErrorContains(t, err, "others may write", path)
			require.NoError(t, os.Chmod(path, mode))
		}
		if os.Geteuid() == 0 {
			require.NoError(t, os.Lchown(path, 65534, -1))
			_, err := read("")
			assert.ErrorContains(t, err, "belongs to user 65534", path)
			require.NoError(t, os.Lchown(path, 0, -1))
		}
	}
	// A link leads where it leads, and there it is as strict.
	require.NoError(t, os.Symlink(file, filepath.Join(home, "link")))
	n, err = read("link")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(home, "zero")))
	_, err = read("zero")
	require.ErrorContains(t, err, "is no file")
}

// The file is read as its user: what root could read, and the user cannot, is not.
func TestKeyFileIsReadAsItsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	home, err := os.MkdirTemp("/tmp", "psh")
	require.NoError(t, err)
	defer os.RemoveAll(home)
	secret := filepath.Join(home, "secret")
	require.NoError(t, os.WriteFile(secret, []byte(lineOf(t, "")), 0o600)) // root's
	require.NoError(t, os.Chmod(home, 0o755))
	a := ourAccount(home)
	a.UID, a.GID, a.Groups = 65534, 65534, []uint32{65534}
	_, err = AuthorizedKeys(context.Background(), a, "secret")
	require.ErrorContains(t, err, "permission denied")
}

func TestKeyFilePatterns(t *testing.T) {
	a := &Account{Name: "alice", UID: 7, Home: "/home/alice"}
	for pattern, want := range map[string]string{
		"": "/home/alice/.ssh/authorized_keys", "/etc/pss/keys/%u": "/etc/pss/keys/alice", "%h/k": "/home/alice/k", "/k/%U%%": "/k/7%",
	} {
		got, err := keyFilePath(a, pattern)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, bad := range []string{"%", "/%x", "a%"} {
		assert.Error(t, CheckKeyFilePattern(bad), bad)
	}
}

func FuzzAuthorizedKeys(f *testing.F) {
	f.Add(lineOf(f, `from="10.0.0.0/8",expiry-time="20300101",restrict`))
	f.Add(`command="a \" b",from="x" ssh-rsa AAAA`)
	f.Add("@cert-authority * ssh-rsa AAAA\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParseAuthorizedKeys([]byte(text))
		if err != nil {
			return
		}
		for _, k := range keys {
			if _, err := ssh.ParsePublicKey(k.Wire); err != nil {
				t.Fatal(err)
			}
			k.Admits(netip.MustParseAddr("192.0.2.1"), time.Now())
		}
	})
}
