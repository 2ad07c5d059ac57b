//go:build linux

package main_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// options are session options, and what else makes a session, that no client of ours sends.
func (b *badInputs) options() {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: patience}
	values := []string{`"x"`, `1.5`, `{}`, `[1]`, `true`, `1e400`, `99999999999999999999`}
	var bodies []string
	for _, field := range []string{"IdleTimeout", "OpenTimeout", "MaxConnectionRetryCount"} {
		for _, v := range values {
			bodies = append(bodies, fmt.Sprintf(`{"Name":"x","Options":{%q:%s}}`, field, v))
		}
	}
	for _, v := range []string{`1`, `"Loud"`, `[]`, `"block\u0000"`, `" Block"`} {
		bodies = append(bodies, fmt.Sprintf(`{"Name":"x","Options":{"OutputBufferingMode":%s}}`, v))
	}
	for _, v := range []string{`1`, `-9223372036854775808`, `59999`} {
		bodies = append(bodies, fmt.Sprintf(`{"Name":"x","Options":{"IdleTimeout":%s}}`, v))
	}
	for _, field := range []string{
		`"Environment":"x"`, `"Environment":{"A":[]}`, `"Locale":[1]`, `"WorkingDirectory":{}`, `"Temporary":"x"`, `"Turn":"x"`, `"IfAbsent":1`, `"Start":"x"`,
		`"Start":{"Command":7}`, `"OnFinish":{}`, `"NetworkAccess":"yes"`, `"Credentials":[]`, `"Front":"x"`, `"ConfigurationName":"no-such"`, `"ConfigurationName":"a/b"`,
		`"Attach":{"Force":"x"}`, `"Attach":[1]`,
	} {
		bodies = append(bodies, `{"Name":"x",`+field+`}`)
	}
	for _, body := range bodies {
		b.makesNone(client, body, body)
	}
	for _, mode := range []string{`"Loud"`, `7`, `" Drop"`} { // of a session that is there
		b.ask(client, http.MethodPost, "/v1/sessions/"+b.session+"/attach", `{"Force":true,"Options":{"OutputBufferingMode":`+mode+`}}`, true)
	}
}

// makesNone asks for a session x with a body that makes none, because of what.
func (b *badInputs) makesNone(client *http.Client, body, what string) {
	b.t.Helper()
	b.ask(client, http.MethodPut, "/v1/sessions/"+uuid.NewString(), body, true)
	if _, made := b.w.facts()["x"]; made {
		b.t.Errorf("%.200q made a session", what)
		b.w.must("remove-pssession", "--computer-name", "localhost", "--name", "x", "--force")
	}
}

// proofs are attempts of strangers to be somebody. What is no request is told so; all else
// is the one refusal.
func (b *badInputs) proofs() {
	key := base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + strings.Repeat("k", 32)))
	nonce, later := base64.StdEncoding.EncodeToString(make([]byte, 32)), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	whole := func(user, host, nonce, expiry, proofs string) string {
		return fmt.Sprintf(`{"User":%q,"Host":%q,"Nonce":%q,"Expiry":%q,"Proofs":%s}`, user, host, nonce, expiry, proofs)
	}
	bodies := []string{"", "null", "{", "[]", `"x"`, "\xff", `{"User":7}`, `{"Nonce":"?"}`, `{"Nonce":7}`, `{"Expiry":"soon"}`, `{"Expiry":-1}`, `{"Proofs":{}}`, `{"Proofs":[7]}`,
		`{"Proofs":[{"PublicKey":"?"}]}`, `{"Password":[]}`, `{"User":"root","Password":""}`, `{"User":"root","Password":"` + strings.Repeat("p", 100000) + `"}`,
		`{"User":"` + strings.Repeat("u", 100000) + `"}`, `{"User":"a\u0000b","Password":"x"}`, `{"User":"../root","Password":"x"}`, `{"User":"` + strings.Repeat("x", 200000) + `"}`,
		strings.Repeat("[", 50000), `{"User":"root","Nonce":"` + strings.Repeat("AAAA", 20000) + `"}`}
	for _, n := range []string{"", "AAAA", nonce, nonce[:40], base64.StdEncoding.EncodeToString(make([]byte, 4096))} {
		bodies = append(bodies, whole("root", "h", n, later, "[]"))
	}
	for _, proof := range []string{
		`[{}]`, `[null]`, `[{"PublicKey":"","Signature":""}]`, `[{"PublicKey":"` + key + `","Signature":""}]`, `[{"PublicKey":"` + key + `","Signature":"AAAA"}]`,
		`[{"PublicKey":"AAAAC3NzaC1lZDI1NTE5","Signature":"U1NIU0lH"}]`, `[{"PublicKey":"/////w==","Signature":"/////w=="}]`,
		`[{"PublicKey":"` + strings.Repeat("QUFB", 8000) + `"}]`, `[` + strings.Repeat(`{"PublicKey":"`+key+`"},`, 200) + `{}]`, `[{"Signature":"` + strings.Repeat("U1NI", 8000) + `"}]`,
	} {
		bodies = append(bodies, whole("root", "h", nonce, later, proof))
	}
	for _, expiry := range []string{"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2000-01-01T00:00:00+23:59"} {
		bodies = append(bodies, whole("root", "h", nonce, expiry, "[]"))
	}
	var turn sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, body := range bodies {
		for _, route := range []string{api.RouteChallenge, api.RouteProof, api.RoutePassword} {
			b.n++
			places <- struct{}{}
			turn.Go(func() {
				defer func() { <-places }()
				b.prove(route, body)
			})
		}
	}
	turn.Wait()
}

// prove sends a body to a route for strangers, on a connection of its own.
func (b *badInputs) prove(route, body string) {
	what := fmt.Sprintf("%s %.80q", route, body)
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	r, err := (&http.Client{Transport: tr, Timeout: patience}).Post("https://"+b.addr+route, api.TypeJSON, strings.NewReader(body))
	if !assert.NoError(b.t, err, what) {
		return
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	assert.NoError(b.t, err, what)
	if r.StatusCode == http.StatusOK && route == api.RouteChallenge {
		return // every user is challenged
	}
	assert.Contains(b.t, []int{http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge}, r.StatusCode, what)
	var e api.Error
	assert.NoError(b.t, json.Unmarshal(text, &e), what)
	assert.NotEmpty(b.t, e.Message, what)
	assert.Less(b.t, len(text), 4000, what)
}

// configurations are files of session configurations that a host finds when they are asked
// for.
func (b *badInputs) configurations() {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: patience}
	for i, text := range []string{
		"\x00", "[", "a", "a = ", "= 1", "no_such = 1", "max_sessions = \"x\"", "enabled = 7", "[environment]\n1 = 2", "environment = 7", "allow = 7", "allow_users = 7",
		"idle_timeout = \"soon\"", "max_idle_timeout = \"-1s\"", "shell = 7", "output_buffering_mode = \"Loud\"", strings.Repeat("[a.", 2000), "\xff\xfea = 1", "enabled = true\nenabled = true",
		"run_as_user = 7", "startup_script = []",
	} {
		name := "bad" + strconv.Itoa(i)
		writeFiles(b.t, b.w.path("configurations"), map[string]string{name + ".toml": text})
		b.makesNone(client, `{"Name":"x","ConfigurationName":"`+name+`"}`, text)
	}
	b.ask(client, http.MethodGet, "/v1/configurations", "", true) // all of them at once
	require.NoError(b.t, os.RemoveAll(b.w.path("configurations")))
}

// alone is the world of files that are no good, at a place of its own.
func (b *badInputs) alone(i int, files map[string]string) *world {
	home := b.w.path("bad" + strconv.Itoa(i))
	w := &world{t: b.t, home: home, bin: b.w.bin, mark: "PSS_HOME=" + home}
	writeFiles(b.t, home, files)
	return w
}

// clientFiles are files of the agent that it finds when a cmdlet asks.
func (b *badInputs) clientFiles() {
	w := newWorld(b.t, racePSS, map[string]string{"config.toml": "[computers.far]\naddress = \"127.0.0.1:1\"\n"})
	for _, text := range append([]string{`{"127.0.0.1:1":7}`, `{"127.0.0.1:1":{"Fingerprints":"x"}}`, `{"127.0.0.1:1":{"Since":1}}`}, noJSON...) {
		writeFiles(b.t, w.home, map[string]string{"agent/pins.json": text})
		b.n++
		b.refused(w.pss("get-pssession", "--computer-name", "far"), "%.60q", text)
	}
	require.NoError(b.t, os.Remove(w.path("agent", "pins.json")))
	for i, text := range []string{
		"\x00", "[", "a", "= 1", "no_such = 1", "[agent]\nlinger = 5", "[agent]\nlinger = \"x\"", "[agent]\non_client_exit = \"x\"", "[defaults]\noutput = 7", "[computers]\nx = 1",
		"[computers.x]\naddress = 1", "[computers.x]\nssh = \"a\"\naddress = \"b:1\"", "[groups]\nx = 1", strings.Repeat("[a.", 2000), "[agent]\n[agent]", "\xff\xfe[agent]",
	} {
		w := b.alone(i, map[string]string{"config.toml": text})
		b.n++
		r := w.pss("get-pssession", "--computer-name", "far")
		b.refused(r, "%.60q", text)
		assert.Contains(b.t, r.err, "config.toml", "%.60q", text)
		require.NoError(b.t, os.RemoveAll(w.home))
	}
}

// refused demands one error that a person can read.
func (b *badInputs) refused(r result, format, text string) {
	what := fmt.Sprintf(format, text)
	assert.NotZero(b.t, r.code, what)
	assert.NotEmpty(b.t, r.err, what)
	assert.NotContains(b.t, r.err, "\x1b", what)
	assert.NotRegexp(b.t, defect, r.err, what)
	assert.Less(b.t, len(r.err), 8000, what)
}

// hostFiles are files that a host finds when it starts: without its enrolments it does not
// let people in again by mistake, and says so; entries of the registry count for nothing.
func (b *badInputs) hostFiles() {
	for i, text := range noJSON {
		w := b.alone(i, map[string]string{"host/enrolments.json": text})
		b.n++
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		out, err := w.command(ctx, "host", "--listen", "none").CombinedOutput()
		cancel()
		assert.Error(b.t, err, "%.60q", text)
		assert.Contains(b.t, string(out), "enrolments", "%.60q", text)
		assert.NotRegexp(b.t, defect, string(out), "%.60q", text)
		require.NoError(b.t, os.RemoveAll(w.home))
	}
	files := map[string]string{"host.toml": shortLease}
	for i, text := range noJSON {
		files["host/registry/bad"+strconv.Itoa(i)+".json"] = text
	}
	w := newWorld(b.t, racePSS, files)
	w.startHost("this")
	w.must("new-pssession", "--name", "calm", "--output", "id")
	require.Equal(b.t, "served", w.must("invoke-command", "--name", "calm", "--script-block", "echo served"))
	b.n += len(noJSON)
}
