package agent

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

func testAgent(t *testing.T, path string) *Agent {
	a := &Agent{clients: map[string]*clientSession{}, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var err error
	a.journal, err = openJournal(path, a.clients)
	require.NoError(t, err)
	t.Cleanup(a.journal.close)
	return a
}

// What was recorded is there after the agent was killed, a cut last line included.
func TestTheJournalSurvivesTheAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	a := testAgent(t, path)
	c := newClientSession("batch")
	a.clients[c.key] = c
	for _, id := range []string{"g1", "g2", "g3"} {
		e := c.newEntry(id, ".")
		require.True(t, c.number(e))
		require.False(t, c.number(e), "an Id stays")
		e.name, e.mine = "n-"+id, true
		a.record(change{Client: c.key, Entry: e.saved(), NextName: 7})
	}
	a.record(change{Client: c.key, Entry: c.entries["g2"].saved(), Gone: true})
	a.record(change{Client: "tty:b:1:2", NextName: 1}, change{Client: "tty:b:1:2", Gone: true})
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"Client":"batch","Entry":{"ID":9`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	b := testAgent(t, path)
	require.Len(t, b.clients, 1)
	got := b.clients["batch"]
	assert.Equal(t, 7, got.nextName)
	assert.Equal(t, *c.entries["g1"], *got.entries["g1"])
	assert.Equal(t, "localhost", got.entries["g3"].computer)
	assert.NotContains(t, got.entries, "g2")
	fresh := got.newEntry("g4", "x")
	assert.Zero(t, fresh.id, "not before it is shown")
	got.number(fresh)
	assert.Equal(t, 4, fresh.id, "an Id is never given twice")
}

func TestReferences(t *testing.T) {
	c := newClientSession("batch")
	c.number(c.newEntry("aaaa", "x"))
	for ref, id := range map[string]string{
		"1": "", "AAAA": "", "2": "RemoteRunspaceNotAvailableForSpecifiedSessionId", "bbbb": "RemoteRunspaceNotAvailableForSpecifiedRunspaceId",
	} {
		_, err := c.findLocked(ref)
		if id == "" {
			assert.NoError(t, err)
		} else if assert.Error(t, err) {
			assert.Equal(t, id, api.AsError(err).FullyQualifiedErrorID)
		}
	}
}

func TestATerminalsClientSessionKnowsItsLeader(t *testing.T) {
	assert.Equal(t, 4711, newClientSession("tty:boot:4711:99").leader)
	assert.True(t, newClientSession("tty:boot:1:1").terminal())
	assert.False(t, newClientSession("name:tty").terminal())
	assert.False(t, newClientSession("tty:otherboot:1:1").alive(), "a pid of another boot is nobody")
}
