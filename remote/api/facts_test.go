package api

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFactsSurviveATornWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), FactsFile)
	_, err := ReadFacts(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	w, err := OpenFacts(path)
	require.NoError(t, err)
	_, err = ReadFacts(path)
	require.ErrorIs(t, err, ErrNoFacts)
	for _, name := range []string{"one", "two", "three"} {
		require.NoError(t, w.Write(&RunspaceInfo{Name: name}))
	}
	require.NoError(t, w.Close())

	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	// The third write went to slot 1; half of it is lost.
	_, err = f.WriteAt(make([]byte, 20), factsSlot+factsHeader+4)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got, err := ReadFacts(path)
	require.NoError(t, err)
	assert.Equal(t, "two", got.Name)

	w, err = OpenFacts(path)
	require.NoError(t, err)
	require.NoError(t, w.Write(&RunspaceInfo{Name: "four"}))
	require.NoError(t, w.Close())
	got, err = ReadFacts(path)
	require.NoError(t, err)
	assert.Equal(t, "four", got.Name)
}

// A reader never sees a mixture of two writes.
func TestFactsAreReadWholeWhileTheyAreWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), FactsFile)
	w, err := OpenFacts(path)
	require.NoError(t, err)
	require.NoError(t, w.Write(&RunspaceInfo{Name: "0", Reason: "0"}))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			info, err := ReadFacts(path)
			if assert.NoError(t, err) {
				assert.Equal(t, info.Name, info.Reason)
			}
		}
	})
	for i := range 2000 {
		text := strings.Repeat(string(rune('a'+i%26)), 1+i%3000)
		require.NoError(t, w.Write(&RunspaceInfo{Name: text, Reason: text}))
	}
	close(done)
	wg.Wait()
}

func FuzzFacts(f *testing.F) {
	f.Add([]byte("garbage"), []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		path := filepath.Join(t.TempDir(), FactsFile)
		file, err := os.Create(path)
		require.NoError(t, err)
		file.WriteAt(a, 0)
		file.WriteAt(b, factsSlot)
		file.Close()
		_, _ = ReadFacts(path) // never panics
	})
}
