package agent

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func key(letter string) string { return "sha256:" + strings.Repeat(letter, 43) + "=" }

// A key that is remembered is never replaced, only added to by its own host; the file is
// the user's own.
func TestPins(t *testing.T) {
	p := &pins{path: filepath.Join(t.TempDir(), "pins.json")}
	none, err := p.of("a:1")
	require.NoError(t, err)
	assert.Empty(t, none)
	add := func(address, f string) []bool {
		fresh, ok, err := p.add(address, "a", f)
		require.NoError(t, err)
		return []bool{fresh, ok}
	}
	assert.Equal(t, []bool{true, true}, add("Host:1", key("A")))
	assert.Equal(t, []bool{false, true}, add("hOST:1", key("A")), "addresses have no case")
	assert.Equal(t, []bool{false, false}, add("host:1", key("B")))
	assert.Equal(t, []bool{true, true}, add("host:2", key("B")), "another port is another host")
	st, err := os.Stat(p.path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())

	require.NoError(t, p.learn("host:1", key("C"), []string{key("C"), key("D")}))
	got, err := p.of("host:1")
	require.NoError(t, err)
	assert.Equal(t, []string{key("A")}, got.Fingerprints, "it did not show a key that is remembered")
	require.NoError(t, p.learn("host:1", key("A"), []string{key("D"), key("A")}))
	got, err = p.of("HOST:1")
	require.NoError(t, err)
	assert.Equal(t, []string{key("A"), key("D")}, got.Fingerprints)
	assert.Equal(t, "a", got.Name)
	require.NoError(t, p.forget("HOST:1"))
	got, err = p.of("host:1")
	require.NoError(t, err)
	assert.Empty(t, got)

	require.NoError(t, os.WriteFile(p.path, []byte("{"), 0o600))
	_, err = p.of("host:2")
	assert.Error(t, err, "hosts do not become new ones with a broken file")
}

// Many first contacts at once remember one key.
func TestPinsAtOnce(t *testing.T) {
	p := &pins{path: filepath.Join(t.TempDir(), "pins.json")}
	var wg sync.WaitGroup
	taken := make([]bool, 8)
	for i := range taken {
		wg.Go(func() { _, taken[i], _ = p.add("host:1", "", key(string(rune('A'+i)))) })
	}
	wg.Wait()
	count := 0
	for _, ok := range taken {
		if ok {
			count++
		}
	}
	assert.Equal(t, 1, count)
}

func TestAnnouncedKeys(t *testing.T) {
	for text, want := range map[string][]string{
		key("A") + "," + key("B"):          {key("A"), key("B")},
		key("B") + "," + key("C"):          nil, // another host's
		key("A") + ",sha256:short":         nil,
		key("A") + "," + key("B") + "\x1b": nil,
		"":                                 nil,
		strings.Repeat(key("A")+",", 9) + key("A"): nil,
	} {
		assert.Equal(t, want, announcedKeys(text, key("A")), text)
	}
}
