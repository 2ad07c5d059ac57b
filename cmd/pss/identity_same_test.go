//go:build linux

package main_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"pss/remote/api"
)

// failure is a way to be refused.
type failure struct {
	name string
	try  func(*caller) *reply
}

// failures are all the ways, of a host where alice has a password and everybody lets signer
// in but nobody wrong.
func failures(t *testing.T, signer, wrong ssh.Signer) []failure {
	password := func(user, password string) func(*caller) *reply {
		return func(c *caller) *reply {
			return c.ask(http.MethodPost, api.RoutePassword, &api.PasswordRequest{User: user, Password: password})
		}
	}
	key := func(user string, s ...ssh.Signer) func(*caller) *reply {
		return func(c *caller) *reply {
			return c.ask(http.MethodPost, api.RouteProof, proof(t, c.binding(user, c.nonce(user)), s...))
		}
	}
	return []failure{
		{"unknown user", key("carol", signer)}, {"wrong key", key("alice", wrong)}, {"locked", key("locked", signer)}, {"expired", key("expired", signer)},
		{"no shell", key("noshell", signer)}, {"root", key("root", signer)}, {"no name", key("", signer)}, {"no key", key("alice")},
		{"wrong password", password("alice", "wrong")}, {"password of nobody", password("carol", "wrong")}, {"no password", password("bob", "")},
		{"basic", func(c *caller) *reply {
			return c.ask(http.MethodPost, api.RouteHeartbeat, nil, func(r *http.Request) { r.SetBasicAuth("alice", "wrong") })
		}},
	}
}

// To a stranger every failure is the same, to the byte and in time. Several ask at a time,
// each every kind in turn and beginning with another one, so that whatever else the computer
// does meets all kinds alike.
func TestFailuresAreTheSame(t *testing.T) {
	t.Parallel()
	callers, rounds, bin, wait := 2, 2, racePSS, 600*time.Millisecond // a binary with the race detector takes its time
	if slow() {
		callers, rounds, bin, wait = 8, 25, thisPSS, 250*time.Millisecond
	}
	p := newPeopleOf(t, bin, fmt.Sprintf("auth_failure_time = \"%v\"\nauth_attempts = 100000\n", wait))
	signer, line := newSigner(t)
	wrong, _ := newSigner(t)
	for _, a := range accounts {
		p.lets(a.name, line)
	}
	r := p.feed(strings.NewReader("right\n"), "host", "passwd", "alice")
	require.Zero(t, r.code, r.err)
	kinds := failures(t, signer, wrong)
	var mu sync.Mutex // guards what follows
	answers, took := map[string]string{}, map[string][]time.Duration{}
	ask := func(k failure) {
		r := k.try(p.call(nil))
		r.Header.Del("Date")
		if k.name == "basic" {
			r.Header.Del("Connection") // it is a request that anybody may make
		}
		mu.Lock()
		defer mu.Unlock()
		took[k.name] = append(took[k.name], r.took)
		answers[fmt.Sprint(r.StatusCode, r.Header, string(r.body))] = k.name
	}
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range rounds * len(kinds) {
				ask(kinds[(i+j)%len(kinds)])
			}
		})
	}
	all.Wait()
	assert.Len(t, answers, 1, "%v", answers)
	if !slow() { // a few have no median: each is told at a whole number of failure times
		for name, list := range took {
			assert.GreaterOrEqual(t, slices.Min(list), wait, "%s: %v", name, list)
			assert.Less(t, slices.MinFunc(list, func(a, b time.Duration) int { return cmp.Compare(a%wait, b%wait) })%wait, wait/5, "%s: %v", name, list)
		}
		return
	}
	least, most, medians := time.Hour, time.Duration(0), map[string]time.Duration{}
	for name, list := range took {
		require.Len(t, list, callers*rounds)
		slices.Sort(list)
		m := list[len(list)/2]
		least, most, medians[name] = min(least, m), max(most, m), m
	}
	t.Logf("medians of %d: %v", callers*rounds, medians)
	assert.LessOrEqual(t, most, least+least/10, "%v", medians)
}
