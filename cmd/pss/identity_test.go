//go:build linux

package main_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// A stranger becomes a user by an SSH key: the connection at once, and the TLS key for
// all later ones, also of a host that starts anew.
func TestProofBySSHKeyEnrolsTheClient(t *testing.T) {
	t.Parallel()
	p := newPeople(t, "")
	signer, line := newSigner(t)
	other, _ := newSigner(t)
	p.lets("alice", line)
	key := newClientKey(t, nil, nil)
	c := p.call(&key)
	r := c.prove("alice", other, signer)
	require.Equal(t, http.StatusOK, r.StatusCode, "%s", r.body)
	var e api.Enrolment
	require.NoError(t, json.Unmarshal(r.body, &e))
	assert.Equal(t, "alice", e.User)
	assert.Equal(t, api.MethodPublicKey, e.Method)
	assert.WithinDuration(t, time.Now().Add(time.Hour), e.Until, time.Minute)
	assert.Equal(t, "alice", c.user())

	assert.Equal(t, "alice", p.call(&key).user(), "another connection with the enrolled key")
	fresh := newClientKey(t, nil, nil)
	assert.Equal(t, "AuthenticationRequired", p.call(&fresh).user())
	assert.Equal(t, "AuthenticationRequired", p.call(nil).user())

	// Without a TLS key the connection alone is bound.
	plain := p.call(nil)
	r = plain.prove("alice", signer)
	require.Equal(t, http.StatusOK, r.StatusCode, "%s", r.body)
	assert.NotContains(t, string(r.body), "Until")
	assert.Equal(t, "alice", plain.user())
	mine := plain.ask(http.MethodGet, api.RouteSessions, nil)
	assert.Equal(t, http.StatusOK, mine.StatusCode, "%s", mine.body)
	var list api.SessionList
	require.NoError(t, json.Unmarshal(mine.body, &list))
	assert.Empty(t, list.Sessions, "root's are not alice's")
	assert.Equal(t, "AuthenticationRequired", p.call(nil).user())
}
