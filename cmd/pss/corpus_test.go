//go:build linux

package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/config"
	"pss/remote/api"
)

// atLeastBad is how many bad inputs the corpus must have.
const atLeastBad = 750

// TestBadInputCorpus gives the real processes hundreds of inputs that are no good: requests
// of strangers and of the own user, frames, command lines, files. Each gets one clear error
// or the documented answer; host, agent and session host are the same processes afterwards,
// and nothing stands in a log that tells of a defect.
func TestBadInputCorpus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, racePSS, map[string]string{"host.toml": "auth_failure_time = \"20ms\"\nauth_attempts = 100000\n"})
	w.must("new-pssession", "--name", "calm", "--output", "id")
	b := &badInputs{t: t, w: w, session: w.facts()["calm"].info.InstanceID}
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	b.addr = fmt.Sprintf("127.0.0.1:%d", info.Port)
	token, err := os.ReadFile(w.path("host", "token"))
	require.NoError(t, err)
	b.token = strings.TrimSpace(string(token))
	before := []int{w.host(), w.agent(), w.facts()["calm"].info.Pid}
	for _, part := range []struct {
		name string
		run  func(*badInputs)
	}{
		{"requests", (*badInputs).requests}, {"raw", (*badInputs).raw}, {"frames", (*badInputs).frames},
		{"command lines", (*badInputs).commandLines}, {"files", (*badInputs).files}, {"options", (*badInputs).options},
		{"proofs", (*badInputs).proofs}, {"session folders", (*badInputs).folders}, {"configurations", (*badInputs).configurations},
		{"files of the client", (*badInputs).clientFiles}, {"files of the host", (*badInputs).hostFiles},
	} {
		n := b.n
		part.run(b)
		t.Logf("%s: %d bad inputs", part.name, b.n-n)
	}
	t.Logf("%d bad inputs in all", b.n)
	require.GreaterOrEqual(t, b.n, atLeastBad)
	require.Equal(t, before, []int{w.host(), w.agent(), w.facts()["calm"].info.Pid}, "the same processes")
	require.Equal(t, "served", w.must("invoke-command", "--name", "calm", "--script-block", "echo served"))
	b.noDefects(w.home)
	w.must("remove-pssession", "--name", "calm")
}

// badInputs are the cases and what they are given to.
type badInputs struct {
	t       *testing.T
	w       *world
	session string
	token   string
	addr    string
	n       int
}

// defect is what a crash leaves in a log.
var defect = regexp.MustCompile(`goroutine \d+ \[|^panic: |DATA RACE|"msg":"defect"|runtime error|SIGSEGV`)

func (b *badInputs) noDefects(dir string) {
	files := 0
	require.NoError(b.t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, "log") {
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		assert.NoError(b.t, err)
		assert.NotRegexp(b.t, defect, string(text), path)
		return nil
	}))
	require.NotZero(b.t, files)
}

// odd are texts in the place of a name, an id or a number.
var odd = []string{
	"", "%00", "%0d%0aX-Evil:%201", "..", "..%2f..%2fhost%2ftoken", "%2e%2e%2f", "%1b%5b31m", "%ff%fe", "null", "-1", "0", "18446744073709551616",
	"11111111-2222-4333-8444-55555555555", "11111111-2222-4333-8444-5555555555555", "%7b11111111-2222-4333-8444-555555555555%7d", "a%3bb",
	strings.Repeat("a", 3000), "%e2%80%ae", "*", "'", "%22", "%5c", "+", "~", "%F0%9F%92%A9", "\u00e9",
}

// bodies are no request, or not the right one.
var bodies = []string{
	"", "null", "[]", "{", "}", "0", "-1e999", `"text"`, "tru", "{\"a\":}", strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 5000), "\xff\xfe\x00",
	`{"Name":1}`, `{"Name":"\ud800"}`, `{"Epoch":-1}`, `{"Epoch":"x"}`, `{"Seq":1.5}`, `{"Signal":9}`, `{"Options":[]}`, `{"Options":{"IdleTimeout":"x"}}`,
	`{"Environment":[]}`, `{"Environment":{"a":1}}`, `{"Attach":"x"}`, `{"Start":[]}`, `{"Command":[]}`, `{"Configuration":"x"}`, `{"Configuration":{"Name":"../x"}}`,
	`{"Agent":[]}`, `{"Name":"a\u001b[31mb"}`, `{"Name":"a\r\nb"}`, `{"Name":"` + strings.Repeat("n", 300) + `"}`, `{"WorkingDirectory":"/none/of/that"}`,
}

// requests are well-formed HTTP with contents that are no good.
func (b *badInputs) requests() {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 4}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s, p := b.session, uuid.NewString()
	for _, path := range odd {
		for _, form := range []string{"/v1/sessions/" + path, "/v1/sessions/" + s + "/pipelines/" + path + "/records", "/v1/configurations/" + path} {
			method := http.MethodGet
			if strings.Contains(form, "configurations") {
				method = http.MethodDelete
			}
			b.ask(client, method, form, "", true)
		}
		b.ask(client, http.MethodGet, "/v1/sessions/"+s+"/pipelines/"+p+"/records?after="+path+"&wait="+path, "", true)
		b.ask(client, http.MethodGet, "/v1/sessions/"+path, "", false)
	}
	for _, body := range bodies {
		for _, at := range [][2]string{
			{http.MethodPut, "/v1/sessions/no-guid"}, {http.MethodPut, "/v1/sessions/" + s + "/pipelines/" + p}, {http.MethodPost, "/v1/sessions/" + s + "/attach"},
			{http.MethodPost, "/v1/sessions/" + s + "/stream"}, {http.MethodPost, "/v1/sessions/" + s + "/pipelines/" + p + "/ack"},
			{http.MethodPost, "/v1/sessions/" + s + "/pipelines/" + p + "/signal"}, {http.MethodPost, "/v1/configurations"},
			{http.MethodPatch, "/v1/configurations/none"},
		} {
			b.ask(client, at[0], at[1], body, true)
		}
		b.ask(client, http.MethodPut, "/v1/sessions/"+uuid.NewString(), body, false)
		b.ask(client, http.MethodPost, "/wsman", body, false)
	}
}

// ask demands an answer that is an error in JSON, or the documented one.
func (b *badInputs) ask(client *http.Client, method, path, body string, known bool) {
	b.n++
	what := fmt.Sprintf("%s %.80s %.60q known %v", method, path, body, known)
	req, err := http.NewRequest(method, "https://"+b.addr+path, strings.NewReader(body))
	if err != nil {
		b.n-- // no client can send it
		return
	}
	req.Header.Set("Content-Type", api.TypeJSON)
	if known {
		req.Header.Set("Authorization", "Bearer "+b.token)
	}
	r, err := client.Do(req)
	if !assert.NoError(b.t, err, what) {
		return
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	assert.NoError(b.t, err, what)
	switch {
	case path == "/wsman":
		assert.Equal(b.t, 500, r.StatusCode, what)
		assert.Contains(b.t, string(text), "<s:Fault>", what)
		return
	case r.StatusCode >= 300 && r.StatusCode < 400:
		return // the mux cleans a path
	case !known:
		assert.Contains(b.t, []int{http.StatusForbidden, http.StatusNotImplemented}, r.StatusCode, what)
	case r.StatusCode < 300:
		assert.Empty(b.t, r.Header.Get("X-Evil"), what)
		return // a GET of what is there
	}
	assert.Less(b.t, r.StatusCode, 600, what)
	assert.NotEqual(b.t, http.StatusInternalServerError, r.StatusCode, "%s\n%s", what, text)
	var e api.Error
	if r.Header.Get("Content-Type") == api.TypeJSON {
		assert.NoError(b.t, json.Unmarshal(text, &e), what)
		assert.NotEmpty(b.t, e.Code, what)
		assert.NotEmpty(b.t, e.Message, what)
	}
}

// raw are bytes that are no HTTP, or nearly.
func (b *badInputs) raw() {
	heads := []string{
		"", "\r\n\r\n", "GARBAGE\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /v1/version\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x00\x05hello", "SSH-2.0-scan\r\n", "GET /v1/version HTTP/1.1\r\n\r\n", "GET /v1/version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /v1/version HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", "GET /v1/version HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
		"GET /v1/version HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "GET /v1/version HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
		"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
		"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"BREW /v1/version HTTP/1.1\r\nHost: x\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://other/v1/version HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/version HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /v1/ver\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/version HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
		"GET /v1/version HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "GET /v1/version HTTP/1.0\r\n\r\n",
		"GET /" + strings.Repeat("a", 70000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/version HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 20000) + "\r\n",
	}
	for _, plain := range []bool{false, true} {
		for _, head := range heads {
			b.send(plain, head)
		}
	}
}

// send writes text and reads until the host has ended the connection, or has answered.
func (b *badInputs) send(plain bool, text string) {
	b.n++
	c, err := net.DialTimeout("tcp", b.addr, patience)
	require.NoError(b.t, err)
	defer c.Close()
	tcp := c.(*net.TCPConn)
	if !plain {
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		require.NoError(b.t, t.Handshake())
		c = t
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	go func() {
		_, _ = io.WriteString(c, text) // refused in the middle of it, perhaps
		if tcp.CloseWrite() != nil {
			return
		}
	}()
	answer, _ := io.ReadAll(io.LimitReader(c, 64<<10)) // a reset is an answer
	what := fmt.Sprintf("plain %v %.60q", plain, text)
	if plain && bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) || bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
		b.t.Errorf("%s was answered %.200q", what, answer)
	}
	if bytes.HasPrefix(answer, []byte("HTTP/")) {
		assert.Regexp(b.t, `^HTTP/1\.[01] (100|30\d|4\d\d|501|505)`, string(answer), what)
	}
}

// commandLines are what cmdlets are called with.
func (b *badInputs) commandLines() {
	var lines [][]string
	for _, verb := range []string{"get-pssession", "connect-pssession", "receive-pssession", "disconnect-pssession", "remove-pssession", "invoke-command"} {
		lines = append(lines, []string{verb, "--no-such"}, []string{verb, "--session", "\x1b[31m"}, []string{verb, "--output", "nothing"})
	}
	lines = append(lines,
		[]string{"nothing"}, []string{"new-pssession", "--name", "a\x1b[31mb"}, []string{"new-pssession", "--name", "a\nb"},
		[]string{"new-pssession", "--name", strings.Repeat("n", 300)}, []string{"new-pssession", "--session-option", "{"}, []string{"new-pssession", "--session-option", `{"IdleTimeout":"x"}`},
		[]string{"new-pssession", "--session-option", "[]"}, []string{"new-pssession", "--environment", "=x"}, []string{"new-pssession", "--port", "99999999"},
		[]string{"new-pssession", "--configuration-name", "../../x"},
	)
	for _, args := range lines {
		b.n++
		r := b.w.pss(args...)
		assert.NotZero(b.t, r.code, "%q", args)
		assert.NotEmpty(b.t, r.err, "%q", args)
		assert.NotContains(b.t, r.err, "\x1b", "%q", args)
		assert.NotRegexp(b.t, defect, r.err, "%q", args)
		assert.Less(b.t, len(r.err), 8000, "%q", args)
	}
}

// files are what users and crashes leave in the place of ours.
func (b *badInputs) files() {
	texts := []string{"\x00", "[", "a", "a = ", "= 1", "lease = 5", "lease = \"x\"", "max_sessions = \"x\"", "max_sessions = -1\nmax_requests = -1", "no_such = 1",
		"log_level = \"loud\"", "metrics_listen = \"x\"", "metrics_listen = \"10.0.0.1:1\"", "audit_keep = -1", "audit_max_bytes = 1.5", "login_grace = \"-1s\"\nx=1",
		strings.Repeat("[a.", 2000), "listen = [1]", "lease = 1979-05-27", "[lease]", "lease = \"30s\"\nlease = \"30s\""}
	for i, text := range texts {
		w := &world{t: b.t, home: b.w.path("bad" + strconv.Itoa(i)), bin: b.w.bin, mark: "PSS_HOME=" + b.w.path("bad"+strconv.Itoa(i))}
		writeFiles(b.t, w.home, map[string]string{"host.toml": text})
		b.n++
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		out, err := w.command(ctx, "host", "--listen", "none").CombinedOutput()
		cancel()
		assert.Error(b.t, err, "%q", text)
		assert.Contains(b.t, string(out), "host.toml", "%q", text)
		assert.NotRegexp(b.t, defect, string(out), "%q", text)
		require.NoError(b.t, os.RemoveAll(w.home))
	}
}
