package host

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// hostileTo makes the host of keeper, as user reaches it, answer each request by answer.
func (f *front) hostileTo(t *testing.T, user, keeper string, answer func(w net.Conn)) {
	t.Helper()
	dial := func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			br := bufio.NewReader(theirs)
			for {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				answer(theirs)
			}
		}()
		return ours, nil
	}
	if f.pool == nil {
		f.pool = map[string]*pooled{}
		f.h.limits = newLimits(func() config.HostOperations { return config.OperationDefaults })
	}
	f.pool[keeper+"\x00"+client.OnBehalf(user, api.MethodToken, client.FromHere)] = &pooled{Client: f.newClient(keeper, dial), used: time.Now()}
}

// asks is the request of a user on this computer.
func asks(t *testing.T, user, path string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	r.RemoteAddr = client.FromHere
	return r.WithContext(context.WithValue(r.Context(), principalKey{}, principal{Name: user, Method: api.MethodToken}))
}

func reply(w io.Writer, header string, v any) {
	data, _ := json.Marshal(v)
	fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s", len(data), header, data)
}

// endless writes text, so many MiB of it at most, until nobody takes it any more.
func endless(w net.Conn, text string, most int) {
	piece := []byte(strings.Repeat(text, 32<<10/len(text)))
	for range most * 32 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
	w.Close()
}

// A user's own host may answer what it likes: that costs its user the answer, and us a
// bounded part of the memory.
func TestLyingHostIsBounded(t *testing.T) {
	for name, lie := range map[string]struct {
		answer func(w net.Conn)
		most   uint64 // bytes
	}{
		"a head without end":  {func(w net.Conn) { io.WriteString(w, "HTTP/1.1 200 OK\r\nX: "); endless(w, "x", 16) }, 4 << 20},
		"headers without end": {func(w net.Conn) { io.WriteString(w, "HTTP/1.1 200 OK\r\n"); endless(w, "X: y\r\n", 16) }, 4 << 20},
		"a status line":       {func(w net.Conn) { endless(w, "H", 16) }, 4 << 20},
		"a body without end":  {func(w net.Conn) { io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n"); endless(w, "x", 100) }, 200 << 20},
		"no HTTP at all":      {func(w net.Conn) { io.WriteString(w, "\x00\n\n"); w.Close() }, 4 << 20},
	} {
		f := frontOf(t, nil)
		f.hostileTo(t, "alice", "alice", lie.answer)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := f.list(nil)(httptest.NewRecorder(), asks(t, "alice", api.RouteSessions))
		runtime.ReadMemStats(&after)
		assert.Error(t, err, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, lie.most, name)
		assert.Empty(t, f.h.limits.users, name)
	}
}

// Many large replies at once do not add up beyond the user's share.
func TestLyingHostHasItsShare(t *testing.T) {
	f := frontOf(t, nil)
	f.hostileTo(t, "alice", "alice", func(w net.Conn) { io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n"); endless(w, "x", 100) })
	f.h.limits = newLimits(func() config.HostOperations {
		o := config.OperationDefaults
		o.MaxMemoryBytes = 8 << 20 // a user has 32 MiB at least, but not more than all have
		return o
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := f.list(nil)(httptest.NewRecorder(), asks(t, "alice", api.RouteSessions))
			assert.Error(t, err)
			assert.True(t, api.IsCode(err, api.CodeQuota), "%v", err)
		})
	}
	all.Wait()
	assert.Empty(t, f.h.limits.users)
}

// What a host says of sessions of others, of owners and of our keys reaches nobody.
func TestLyingHostLiesToItsUser(t *testing.T) {
	f := frontOf(t, map[string]string{"ops": opsText})
	bobs, shared := made("bob", "bob", time.Hour), made("deploy", "bob", time.Hour)
	require.NoError(t, f.registry.add(bobs))
	require.NoError(t, f.registry.add(shared))
	told := &api.SessionList{}
	for _, id := range []string{bobs.InstanceID, shared.InstanceID, uuid.NewString()} {
		s := api.Session{}
		s.Runspace.InstanceID, s.Runspace.Owner, s.Runspace.ConfigurationName = id, "bob", "ops"
		told.Sessions = append(told.Sessions, s)
	}
	lies := func(w net.Conn) { reply(w, api.HeaderFingerprints+": sha256:mine\r\nSet-Cookie: a=b\r\n", told) }
	f.hostileTo(t, "alice", "alice", lies)
	f.hostileTo(t, "alice", "deploy", func(w net.Conn) { reply(w, "", &api.SessionList{}) })
	honest := &api.SessionList{Sessions: told.Sessions[:1]}
	f.hostileTo(t, "bob", "bob", func(w net.Conn) { reply(w, "", honest) })
	f.hostileTo(t, "bob", "deploy", lies)

	w := httptest.NewRecorder()
	v, err := f.list(nil)(w, asks(t, "alice", api.RouteSessions))
	require.NoError(t, err)
	for _, s := range v.(*api.SessionList).Sessions {
		assert.Equal(t, "alice", s.Runspace.Owner)
	}
	assert.Empty(t, w.Header())
	assert.NotNil(t, f.registry.find("bob", bobs.InstanceID))

	// Of the run-as user's host nothing is taken but what was made by way of us.
	v, err = f.list(nil)(httptest.NewRecorder(), asks(t, "bob", api.RouteSessions))
	require.NoError(t, err)
	var got []string
	for _, s := range v.(*api.SessionList).Sessions {
		got = append(got, s.Runspace.InstanceID+" "+s.Runspace.Owner)
	}
	assert.NotContains(t, got, bobs.InstanceID+" deploy")
	assert.Contains(t, got, bobs.InstanceID+" bob")

	w = httptest.NewRecorder()
	require.NoError(t, f.pass(w, asks(t, "alice", api.SessionPath(uuid.NewString(), "")), "alice", nil))
	assert.Empty(t, w.Header().Get(api.HeaderFingerprints))
	assert.Empty(t, w.Header().Get("Set-Cookie"))
}

// A host that does not answer holds up nobody but its user.
func TestSilentHostHoldsUpItsUserAlone(t *testing.T) {
	f := frontOf(t, nil)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	f.hostileTo(t, "alice", "alice", func(net.Conn) { <-over })
	f.hostileTo(t, "bob", "bob", func(w net.Conn) { reply(w, "", &api.SessionList{}) })
	for range 100 {
		go func() { _, _ = f.list(nil)(httptest.NewRecorder(), asks(t, "alice", api.RouteSessions)) }()
	}
	begun := time.Now()
	_, err := f.list(nil)(httptest.NewRecorder(), asks(t, "bob", api.RouteSessions))
	require.NoError(t, err)
	assert.Less(t, time.Since(begun), time.Second)
}
