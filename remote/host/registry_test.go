package host

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/identity"
)

func registryIn(t *testing.T, dir string) (*registry, *bytes.Buffer) {
	t.Helper()
	said := &bytes.Buffer{}
	r, err := openRegistry(dir, slog.New(slog.NewTextHandler(said, nil)))
	require.NoError(t, err)
	return r, said
}

// made is a session that was made so long ago.
func made(keeper, user string, age time.Duration) *registered {
	return &registered{InstanceID: uuid.NewString(), Keeper: keeper, User: user, Configuration: "ops", Created: time.Now().Add(-age)}
}

// The registry is on disk; what is no entry is passed over and said.
func TestRegistryIsRead(t *testing.T) {
	dir := t.TempDir()
	r, _ := registryIn(t, dir)
	one, two := made("alice", "alice", 0), made("alice", "bob", 0)
	require.NoError(t, r.add(one))
	require.NoError(t, r.add(two))
	require.NoError(t, r.add(two), "a repeated request")
	st, err := os.Stat(r.file(one.key()))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	for name, text := range map[string]string{"empty.json": "", "torn.json": `{"InstanceID": "x`, "nobody.json": `{"InstanceID": "x"}`, "list.json": "[]"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	again, said := registryIn(t, dir)
	assert.Len(t, again.known, 2)
	assert.Equal(t, 5, bytes.Count(said.Bytes(), []byte("entry of the registry not read")), said.String())
	got := again.find("alice", one.InstanceID)
	require.NotNil(t, got)
	assert.Equal(t, "alice", got.User)
	assert.Nil(t, again.find("bob", one.InstanceID))
	again.drop(one.key())
	again.drop(one.key())
	last, _ := registryIn(t, dir)
	assert.Len(t, last.known, 1)
}

// What a user's host has no more is forgotten, but for what may be about to be made, and
// for what other users have.
func TestRegistryForgetsWhatEnded(t *testing.T) {
	r, _ := registryIn(t, t.TempDir())
	old, lives, young, bobs := made("alice", "alice", time.Hour), made("alice", "alice", time.Hour), made("alice", "alice", 0), made("bob", "bob", time.Hour)
	for _, s := range []*registered{old, lives, young, bobs} {
		require.NoError(t, r.add(s))
	}
	has := api.Session{}
	has.Runspace.InstanceID = lives.InstanceID
	foreign := api.Session{}
	foreign.Runspace.InstanceID = uuid.NewString()
	r.reconcile("alice", []api.Session{has, foreign})
	assert.Nil(t, r.find("alice", old.InstanceID))
	assert.NotNil(t, r.find("alice", lives.InstanceID))
	assert.NotNil(t, r.find("alice", young.InstanceID))
	assert.NotNil(t, r.find("bob", bobs.InstanceID))
	assert.Nil(t, r.find("alice", foreign.Runspace.InstanceID), "what a host says makes no entry")
}

// frontOf is a front with users, groups and these session configurations.
func frontOf(t *testing.T, confs map[string]string) *front {
	t.Helper()
	h := &Host{o: Options{Paths: config.Paths{Config: t.TempDir(), State: t.TempDir()}, Config: &config.Host{}}, log: slog.New(slog.DiscardHandler), owner: "root"}
	h.settings.Store(h.o.Config)
	h.accounts.known = map[string]knownAccount{}
	for name, groups := range map[string][]string{"alice": nil, "bob": {"devs"}, "carol": nil, "deploy": nil} {
		h.accounts.known[name] = knownAccount{&identity.Account{Name: name}, groups, time.Now().Add(time.Hour)}
	}
	require.NoError(t, os.Mkdir(filepath.Join(h.o.Paths.Config, "configurations"), 0o700))
	for name, text := range confs {
		require.NoError(t, os.WriteFile(filepath.Join(h.o.Paths.Config, "configurations", name+".toml"), []byte(text), 0o600))
	}
	r, _ := registryIn(t, t.TempDir())
	return &front{h: h, registry: r}
}

// asPrincipal is a request of a user who has proved it.
func asPrincipal(r *http.Request, user string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), principalKey{}, principal{Name: user, Method: api.MethodPublicKey}))
}

const opsText = "RunAsUser = \"deploy\"\nAllowedUsers = [\"alice\", \"@devs\"]\n"

// Who may use a run-as configuration shares its sessions: as long as it is there, is
// enabled, runs as the same user, and names him.
func TestMayShare(t *testing.T) {
	for name, c := range map[string]struct {
		conf, user string
		want       bool
	}{
		"named":                 {opsText, "alice", true},
		"in a named group":      {opsText, "bob", true},
		"nobody":                {opsText, "carol", false},
		"no account":            {opsText, "nobody-here", false},
		"the run-as user":       {opsText, "deploy", false},
		"for that user alone":   {"RunAsUser = \"deploy\"\n", "deploy", true},
		"that, and another":     {"RunAsUser = \"deploy\"\n", "alice", false},
		"disabled":              {opsText + "Enabled = false\n", "alice", false},
		"runs as another now":   {"RunAsUser = \"carol\"\nAllowedUsers = [\"alice\"]\n", "alice", false},
		"runs as its maker now": {"AllowedUsers = [\"alice\"]\n", "alice", false},
		"broken":                {"RunAsUser = \n", "alice", false},
	} {
		f := frontOf(t, map[string]string{"ops": c.conf})
		assert.Equal(t, c.want, f.mayShare(c.user, made("deploy", "alice", 0)), name)
	}
	assert.False(t, frontOf(t, nil).mayShare("alice", made("deploy", "alice", 0)), "no such configuration")
}

// The user whose host is asked is who asks, but for a session that he shares; his own goes
// before one of the same id that somebody else's host has made up.
func TestKeeperOf(t *testing.T) {
	f := frontOf(t, map[string]string{"ops": opsText})
	shared, alices := made("deploy", "alice", 0), made("alice", "alice", 0)
	alices.Configuration = "bash"
	same := &registered{InstanceID: alices.InstanceID, Keeper: "deploy", User: "bob", Configuration: "ops"}
	for _, s := range []*registered{shared, alices, same} {
		require.NoError(t, f.registry.add(s))
	}
	for name, c := range map[string]struct{ user, id, want string }{
		"made by oneself":       {"alice", shared.InstanceID, "deploy"},
		"shared":                {"bob", shared.InstanceID, "deploy"},
		"any case":              {"bob", string(bytes.ToUpper([]byte(shared.InstanceID))), "deploy"},
		"not shared":            {"carol", shared.InstanceID, "carol"},
		"one's own":             {"alice", alices.InstanceID, "alice"},
		"another's":             {"carol", alices.InstanceID, "carol"},
		"unknown":               {"alice", uuid.NewString(), "alice"},
		"no id at all":          {"carol", "", "carol"},
		"the run-as user's own": {"deploy", shared.InstanceID, "deploy"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		require.NoError(t, err)
		r.SetPathValue("session", c.id)
		keeper, _ := f.keeperOf(asPrincipal(r, c.user))
		assert.Equal(t, c.want, keeper, name)
	}
}
