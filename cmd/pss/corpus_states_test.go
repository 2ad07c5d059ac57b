//go:build linux

package main_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

// noJSON are what a crash, a full disk or a hand leaves in a file of JSON.
var noJSON = []string{
	"\x00", "{", "[", "[]", `"x"`, "1", "{\"a\":", strings.Repeat("[", 20000), "\xff\xfe{}", "{}{}", `{"a":1}`, `{"a":[]}`, "\x1b]0;owned\x07", strings.Repeat("\x00", 4096),
}

// slot is the facts file of a session, whole but for what its JSON says.
func slot(text string) []byte {
	b := make([]byte, 16, 16+len(text))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(text)))
	binary.LittleEndian.PutUint64(b[8:], 2)
	b = append(b, text...)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// badFacts are files in the place of the facts of session id.
func badFacts(id string) (list [][]byte) {
	for _, text := range noJSON {
		list = append(list, []byte(text), slot(text))
	}
	for _, field := range []string{
		`"Name":"a\u001b[31mb"`, `"Life":"Neither"`, `"Pid":-1`, `"Pid":1`, `"Epoch":-1`, `"Created":"never"`, `"Pipelines":[{}]`, `"Pipelines":{}`, `"Attached":{"Client":7}`,
		`"IdleTimeoutMs":-9223372036854775808`, `"Pipelines":[{"Number":4294967295,"State":"Running"}]`, `"Owner":"` + strings.Repeat("o", 9000) + `"`,
	} {
		list = append(list, slot(`{"InstanceID":"`+id+`",`+field+`}`))
	}
	return append(list, slot(`{"InstanceID":"../../host"}`), slot(`{"InstanceID":"`+uuid.NewString()+`"}`))
}

// badSpools are what may stand in the place of a command's output: of its segment, or of
// the state beside it.
func badSpools(segment []byte) (list []map[string][]byte) {
	for _, data := range [][]byte{
		{}, {0}, []byte("garbage"), make([]byte, 8192), []byte(strings.Repeat("\xff", 8192)), segment[:1], segment[1:], segment[:len(segment)/2],
		append(append([]byte{}, segment...), segment...), append(append([]byte{}, segment...), "garbage"...),
	} {
		list = append(list, map[string][]byte{"seg": data}, map[string][]byte{"state": data})
	}
	return list
}

// copySession copies what a dead session keeps.
func copySession(t *testing.T, to, from string) {
	require.NoError(t, os.MkdirAll(to, 0o700))
	require.NoError(t, os.CopyFS(filepath.Join(to, api.PipelinesDir), os.DirFS(filepath.Join(from, api.PipelinesDir))))
	facts, err := os.ReadFile(filepath.Join(from, api.FactsFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(to, api.FactsFile), facts, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(to, "lock"), nil, 0o600))
}

// folders are those of sessions whose files are no good: each is told as one error, or
// listed as far as it can be read, and all others are served.
func (b *badInputs) folders() {
	w := newWorld(b.t, racePSS, map[string]string{"host.toml": shortLease})
	w.must("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", "victim", "--script-block", "seq 200")
	w.await("victim", "Disconnected/None/Finished")
	victim := w.facts()["victim"]
	w.crash()
	segments, err := filepath.Glob(filepath.Join(victim.dir, api.PipelinesDir, "1", "*.seg"))
	require.NoError(b.t, err)
	require.Len(b.t, segments, 1)
	text, err := os.ReadFile(segments[0])
	require.NoError(b.t, err)
	var ids []string
	for i, files := range badSpools(text) {
		ids = append(ids, uuid.NewString())
		dir := w.path("s", fmt.Sprintf("bad%05d", i))
		copySession(b.t, dir, victim.dir)
		for name, data := range files {
			path := filepath.Join(dir, api.PipelinesDir, "1", "state")
			if name == "seg" {
				path = filepath.Join(dir, api.PipelinesDir, "1", filepath.Base(segments[0]))
			}
			require.NoError(b.t, os.WriteFile(path, data, 0o600))
		}
		info := victim.info
		info.InstanceID, info.Name = ids[i], "bad"+strconv.Itoa(i)
		facts, err := api.OpenFacts(filepath.Join(dir, api.FactsFile))
		require.NoError(b.t, err)
		require.NoError(b.t, facts.Write(&info))
		require.NoError(b.t, facts.Close())
	}
	lost := w.path("s", "lost0000") // whose facts are gone before the host starts
	copySession(b.t, lost, victim.dir)
	require.NoError(b.t, os.WriteFile(filepath.Join(lost, api.FactsFile), []byte("garbage"), 0o600))
	w.must("new-pssession", "--name", "calm", "--output", "id")
	b.spools(w, ids, victim.info.Pipelines[0].ID)
	b.facts(w, lost)
	require.Equal(b.t, "served", w.must("invoke-command", "--name", "calm", "--script-block", "echo served"))
	b.noDefects(w.home)
}

// own asks the world's host by its socket.
func own(w *world, path string) (int, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host"+path, nil)
	require.NoError(w.t, err)
	dial := client.DialOwner(w.path("host", "sock"), client.FromHere, func(context.Context) error { return nil })
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }, DisableKeepAlives: true}
	r, err := (&http.Client{Transport: tr}).Do(req)
	if !assert.NoError(w.t, err, path) {
		return 0, nil
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	assert.NoError(w.t, err, path)
	return r.StatusCode, text
}

// spools asks for output of which the files are no good.
func (b *badInputs) spools(w *world, ids []string, pipeline string) {
	var turn sync.WaitGroup
	places := make(chan struct{}, 3)
	for _, id := range ids {
		b.n++
		places <- struct{}{}
		turn.Go(func() {
			defer func() { <-places }()
			status, text := own(w, "/v1/sessions/"+id+"/pipelines/"+pipeline+"/records?after=0")
			var e api.Error
			if status != http.StatusOK {
				assert.NoError(b.t, json.Unmarshal(text, &e), "%d %.200q", status, text)
				assert.NotEmpty(b.t, e.Message)
			}
		})
	}
	turn.Wait()
}

// facts puts garbage in the place of a session's facts while the host runs. dir is one that
// was found so.
func (b *badInputs) facts(w *world, dir string) {
	victim := w.facts()["victim"]
	path := filepath.Join(victim.dir, api.FactsFile)
	for _, data := range badFacts(victim.info.InstanceID) {
		b.n++
		require.NoError(b.t, os.WriteFile(path, data, 0o600))
		status, text := own(w, api.RouteSessions)
		require.Equal(b.t, http.StatusOK, status, "%.60q", data)
		var list api.SessionList
		require.NoError(b.t, json.Unmarshal(text, &list))
		names := map[string]int{}
		for _, s := range list.Sessions {
			names[s.Runspace.Name]++
		}
		assert.Equal(b.t, 1, names["calm"], "%.60q", data)
		told := 0
		for _, e := range list.Errors {
			if e.Target == victim.info.InstanceID || e.Target == filepath.Base(dir) {
				assert.Equal(b.t, "SessionDamaged", e.FullyQualifiedErrorID)
				told++
			}
		}
		status, text = own(w, "/v1/sessions/"+victim.info.InstanceID)
		if status != http.StatusOK {
			var e api.Error
			assert.NoError(b.t, json.Unmarshal(text, &e))
			assert.Equal(b.t, 2, told, "%.60q", data)
		} else {
			assert.Equal(b.t, 1, told, "%.60q", data)
		}
	}
	r := w.pss("get-pssession", "--computer-name", "localhost")
	assert.Contains(b.t, r.out, "calm")
	assert.Contains(b.t, r.err, "SessionDamaged")
	require.NoError(b.t, os.RemoveAll(victim.dir))
	require.NoError(b.t, os.RemoveAll(dir))
	eventually(b.t, "what was deleted is gone", func() bool {
		_, text := own(w, api.RouteSessions)
		return !strings.Contains(string(text), "SessionDamaged")
	})
}
