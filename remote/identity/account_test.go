package identity

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

func TestNamesOfUsers(t *testing.T) {
	for name, ok := range map[string]bool{
		"alice": true, "a.b-c_d": true, "host$": true, `DOM\alice`: true, "alice@example.com": true, "7up": true, "jürgen": true,
		"": false, "0": false, "1000": false, "-x": false, "a b": false, "a:b": false, "a/b": false, "..": false, "a\nb": false, "a\x00": false,
		strings.Repeat("a", maxName+1): false,
	} {
		assert.Equal(t, ok, ValidName(name), "%q", name)
	}
}

func TestLookup(t *testing.T) {
	a, err := Lookup(context.Background(), "root")
	require.NoError(t, err)
	assert.Zero(t, a.UID)
	assert.Contains(t, a.Groups, uint32(0))
	for _, name := range []string{"0", "no-such-user-here", ""} {
		_, err = Lookup(context.Background(), name)
		assert.ErrorIs(t, err, ErrNoAccount, name)
	}
	// Without getent and id, from the files.
	t.Setenv("PATH", t.TempDir())
	b, err := Lookup(context.Background(), "root")
	require.NoError(t, err)
	assert.Equal(t, a.Home, b.Home)
	_, err = Lookup(context.Background(), "no-such-user-here")
	assert.ErrorIs(t, err, ErrNoAccount)
}

func TestShadow(t *testing.T) {
	now := time.Unix(20000*86400+5, 0)
	for line, want := range map[string]string{
		"a:*:19999:0:99999:7:::":      "",
		"a:$6$x:19999:0:99999:7:::":   "",
		"a::19999::::::":              "",
		"a:!:19999:0:99999:7:::":      "locked",
		"a:!!:19999:0:99999:7:::":     "locked",
		"a:!$6$x:19999:0:99999:7:::":  "locked",
		"a:*:19999:0:99999:7::19999:": "account has expired",
		"a:*:19999:0:99999:7::20000:": "",
		"a:*:19999:0:99999:7::0:":     "account has expired",
		"a:*:0:0:99999:7:::":          "must be changed",
		"a:*:19900:0:90:7:::":         "password has expired",
		"a:*:19910:0:90:7:::":         "",
		"a:*:x:0:90:7:::":             "invalid syntax",
		"a:*":                         "2 fields",
	} {
		err := parseShadow(line, now)
		if want == "" {
			assert.NoError(t, err, line)
			continue
		}
		assert.ErrorContains(t, err, want, line)
	}
}

func TestListsOfUsers(t *testing.T) {
	a := &Account{Name: "alice", UID: 5, GID: 0, Groups: []uint32{0}, Shell: "/bin/sh"}
	for _, c := range []struct {
		p  Policy
		ok bool
	}{
		{Policy{}, true},
		{Policy{AllowUsers: []string{"alice"}}, true},
		{Policy{AllowUsers: []string{"al*"}}, true},
		{Policy{AllowUsers: []string{"bo?", "carol"}}, false},
		{Policy{AllowUsers: []string{"*", "!alice"}}, false},
		{Policy{AllowUsers: []string{"alice"}, DenyUsers: []string{"a*"}}, false},
		{Policy{DenyUsers: []string{"bob"}}, true},
		{Policy{AllowGroups: []string{"ro?t"}}, true},
		{Policy{AllowGroups: []string{"staff"}}, false},
		{Policy{AllowUsers: []string{"alice"}, AllowGroups: []string{"staff"}}, false},
	} {
		assert.Equal(t, c.ok, c.p.Check(context.Background(), a) == nil, "%+v", c.p)
	}
	root := &Account{Name: "root", Shell: "/bin/sh"}
	assert.Error(t, (&Policy{}).Check(context.Background(), root))
	assert.NoError(t, (&Policy{PermitRoot: true}).Check(context.Background(), root))
	for _, shell := range []string{"/usr/sbin/nologin", "/bin/false", "/etc/passwd", "/no/such"} {
		assert.Error(t, (&Policy{}).Check(context.Background(), &Account{Name: "a", UID: 5, Shell: shell}), shell)
	}
}

func TestPasswords(t *testing.T) {
	p := Passwords{Path: filepath.Join(t.TempDir(), "passwords")}
	ctx := context.Background()
	assert.False(t, p.Any())
	require.NoError(t, p.Set("alice", "one"))
	require.NoError(t, p.Set("bob", "two"))
	require.NoError(t, p.Set("alice", "three"))
	assert.True(t, p.Any())
	for _, c := range []struct {
		user, password string
		ok             bool
	}{
		{"alice", "three", true}, {"alice", "one", false}, {"bob", "two", true}, {"bob", "three", false}, {"carol", "two", false},
		{"", "", false}, {"alice", "", false}, {"alice", strings.Repeat("x", MaxPassword+1), false}, {"alice:x", "three", false},
	} {
		ok, err := p.Check(ctx, c.user, c.password)
		require.NoError(t, err)
		assert.Equal(t, c.ok, ok, "%q %q", c.user, c.password)
	}
	had, err := p.Delete("bob")
	require.NoError(t, err)
	assert.True(t, had)
	had, err = p.Delete("bob")
	require.NoError(t, err)
	assert.False(t, had)
	ok, err := p.Check(ctx, "bob", "two")
	require.NoError(t, err)
	assert.False(t, ok)
	data, err := os.ReadFile(p.Path)
	require.NoError(t, err)
	assert.Regexp(t, `^alice:\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]+\$[^$]+\n$`, string(data))
	require.NoError(t, os.Chmod(p.Path, 0o644))
	_, err = p.Check(ctx, "alice", "three")
	assert.ErrorContains(t, err, "chmod 0600")
	require.Error(t, p.Set("alice", ""))
}

func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=99,p=255$$")
	f.Add("$argon2i$v=19$m=1,t=1,p=1$x$x")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err == nil && (h.memory > 256<<10 || h.time > 16 || len(h.key) < 16) {
			t.Fatalf("%q costs too much, or is too short", text)
		}
	})
}

func TestEnrolments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "enrolments.json")
	e, err := OpenEnrolments(path)
	require.NoError(t, err)
	until, err := e.Add("k1", "alice", Proof{Method: api.MethodPublicKey, Mark: "SHA256:x"}, time.Now().Add(100*time.Hour))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(api.MaxEnrolment), until, time.Minute)
	_, err = e.Add("old", "alice", Proof{Method: api.MethodPublicKey}, time.Now().Add(-time.Second))
	require.NoError(t, err)
	_, ok := e.Find("old")
	assert.False(t, ok)
	// A restart knows them.
	e, err = OpenEnrolments(path)
	require.NoError(t, err)
	got, ok := e.Find("k1")
	assert.True(t, ok)
	assert.Equal(t, "alice", got.User)
	assert.Equal(t, Proof{Method: api.MethodPublicKey, Mark: "SHA256:x"}, got.Proof)
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	// A user who enrols ever new keys loses the oldest.
	for i := range maxEnrolledPerUser {
		_, err = e.Add(fmt.Sprint("x", i), "alice", Proof{Method: api.MethodPublicKey}, time.Time{})
		require.NoError(t, err)
	}
	_, ok = e.Find("k1")
	assert.False(t, ok)
	_, ok = e.Find("x0")
	assert.True(t, ok)
	had, err := e.Remove("x0")
	require.NoError(t, err)
	assert.True(t, had)
	_, ok = e.Find("x0")
	assert.False(t, ok)
	require.NoError(t, os.WriteFile(path, []byte("null"), 0o600))
	e, err = OpenEnrolments(path)
	require.NoError(t, err)
	_, err = e.Add("k", "bob", Proof{Method: api.MethodPassword}, time.Time{})
	require.NoError(t, err)
}

func TestLimiter(t *testing.T) {
	l := NewLimiter(3)
	for range 3 {
		assert.True(t, l.Allow("a"))
	}
	assert.False(t, l.Allow("a"))
	assert.True(t, l.Allow("b"))
	for i := range 2 * maxCounted {
		l.Allow(fmt.Sprint(i))
	}
	assert.LessOrEqual(t, len(l.counts), maxCounted)
	assert.Equal(t, AddressKey(netip.MustParseAddr("2001:db8::1")), AddressKey(netip.MustParseAddr("2001:db8::ffff:1")))
	assert.NotEqual(t, AddressKey(netip.MustParseAddr("192.0.2.1")), AddressKey(netip.MustParseAddr("192.0.2.2")))
}
