//go:build linux

package main_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/config"
	"pss/remote/api"
)

// besieged is a world whose host has short times, and what attacks it.
type besieged struct {
	*world
	addr  string
	token string
}

func newBesieged(t *testing.T, toml string) *besieged {
	w := newWorld(t, racePSS, map[string]string{"host.toml": toml})
	w.must("new-pssession", "--name", "calm", "--output", "id")
	var info config.HostInfo
	require.NoError(t, config.ReadJSON(w.path("host", "info.json"), &info))
	token, err := os.ReadFile(w.path("host", "token"))
	require.NoError(t, err)
	return &besieged{world: w, addr: fmt.Sprintf("127.0.0.1:%d", info.Port), token: strings.TrimSpace(string(token))}
}

// dial connects from an address of the attacker's own.
func (b *besieged) dial(from string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return d.Dial("tcp", b.addr)
}

// shaken is dial with the handshake done.
func (b *besieged) shaken(from string) (net.Conn, error) {
	c, err := b.dial(from)
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	_ = t.SetDeadline(time.Now().Add(patience))
	if err := t.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	_ = t.SetDeadline(time.Time{})
	return t, nil
}

// served demands that a new client with a good token is answered within a second.
func (b *besieged) served(when string) {
	b.t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	req, err := http.NewRequest(http.MethodGet, "https://"+b.addr+"/v1/sessions", nil)
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer "+b.token)
	began := time.Now()
	r, err := (&http.Client{Transport: tr, Timeout: patience}).Do(req)
	if !assert.NoError(b.t, err, when) {
		return
	}
	r.Body.Close()
	assert.Equal(b.t, http.StatusOK, r.StatusCode, when)
	assert.Less(b.t, time.Since(began), time.Second, when)
}

func (b *besieged) descriptors() int {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.host()))
	require.NoError(b.t, err)
	return len(names)
}

// Two thousand connections of strangers, in every stage in which one can stay, cost the
// host neither memory nor descriptors, and no good client his answer.
func TestStrangersCannotPileUp(t *testing.T) {
	b := newBesieged(t, "max_unauthenticated = 64\nmax_handshakes = 32\nmax_connections_per_address = 200\n")
	b.served("before")
	before, pid := resident(t, b.host()), b.host()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	keep := func(c net.Conn, err error) {
		if err == nil { // refused is as well
			conns = append(conns, c)
		}
	}
	for i := range 1000 {
		keep(b.dial(fmt.Sprintf("127.0.1.%d", i%8+1)))
	}
	b.served("beside a thousand that do not begin their handshake")
	for i := range 600 {
		keep(b.dial("127.0.2.1"))
		if i%10 == 0 {
			if c, err := b.shaken("127.0.2.2"); err == nil {
				_, _ = io.WriteString(c, "GET /v1/version HTTP/1.1\r\nHost: x\r\nX-Slow: ")
				keep(c, nil)
			}
		}
	}
	b.served("beside slow headers")
	for range 340 {
		if c, err := b.shaken("127.0.2.3"); err == nil {
			_, _ = io.WriteString(c, "PUT /v1/sessions/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
			keep(c, nil)
		}
	}
	b.served("beside slow bodies")
	require.Less(t, b.descriptors(), 32+64+100)
	require.Less(t, resident(t, b.host())-before, 64<<10, "KiB")
	require.Equal(t, pid, b.host())
	require.Greater(t, len(conns), 1500)
}

// Who takes nothing of what he asked for loses his connection: one with many answers that
// wait, and one with an attachment.
func TestWhoDoesNotReadIsCut(t *testing.T) {
	b := newBesieged(t, "write_timeout = \"1s\"\nstream_stall = \"1s\"\n")
	c, err := b.shaken("127.0.0.1")
	require.NoError(t, err)
	defer c.Close()
	line := "GET /v1/configurations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.token + "\r\n\r\n"
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	for err == nil {
		_, err = io.WriteString(c, strings.Repeat(line, 100))
	}
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the host ended it")

	b.must("disconnect-pssession", "--name", "calm")
	f := b.facts()["calm"]
	sh := hostOf(t, b.world)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	at, err := sh.Attach(ctx, f.info.InstanceID, &api.AttachRequest{ID: "tester", Agent: "tester"})
	require.NoError(t, err)
	s, err := sh.Stream(ctx, f.info.InstanceID, &api.StreamRequest{Stream: uuid.NewString(), Epoch: at.Runspace.Epoch, Pipeline: uuid.NewString(),
		Start: &api.Command{Script: "head -c 50000000 /dev/zero"}})
	require.NoError(t, err)
	defer s.Close()
	eventually(t, "the attachment is cut", func() bool { return b.established(s.LocalAddr().(*net.TCPAddr).Port) == 0 })
	b.served("afterwards")
	require.Less(t, resident(t, b.host()), 128<<10)
}

// established counts the host's own ends of connections with this port at the other end.
func (b *besieged) established(port int) (n int) {
	text, err := os.ReadFile("/proc/net/tcp")
	require.NoError(b.t, err)
	for _, l := range strings.Split(string(text), "\n") {
		f := strings.Fields(l)
		if len(f) > 3 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) && f[3] == "01" {
			n++
		}
	}
	return n
}

// What one user has under way is bounded, and what a request may carry.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	b := newBesieged(t, "max_waits_per_user = 2\nmax_memory_bytes = 1048576\n")
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	ask := func(ctx context.Context, method, path string, body io.Reader, size int64) int {
		req, err := http.NewRequestWithContext(ctx, method, "https://"+b.addr+path, body)
		require.NoError(t, err)
		req.ContentLength = size
		req.Header.Set("Authorization", "Bearer "+b.token)
		r, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			return 0
		}
		r.Body.Close()
		return r.StatusCode
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id, pipeline := b.facts()["calm"].info.InstanceID, uuid.NewString()
	b.start("invoke-command", "--name", "calm", "-n", "--script-block", "sleep 30")
	eventually(t, "the command runs", func() bool {
		info := b.facts()["calm"].info
		p := info.Running()
		if p != nil {
			pipeline = p.ID
		}
		return p != nil
	})
	waits, end := context.WithCancel(ctx)
	defer end()
	answers := make(chan int, 3)
	for range 3 {
		go func() {
			answers <- ask(waits, http.MethodGet, api.PipelinePath(id, pipeline, "/records?after=0&wait=25"), nil, 0)
		}()
	}
	require.Equal(t, http.StatusTooManyRequests, <-answers, "one of three is refused at once")
	end()
	<-answers
	<-answers
	require.Equal(t, http.StatusRequestEntityTooLarge, ask(ctx, http.MethodPost, "/v1/heartbeat", strings.NewReader(strings.Repeat(" ", 70000)), 70000))
	require.Equal(t, http.StatusTooManyRequests, ask(ctx, http.MethodPut, "/v1/sessions/"+uuid.NewString(), strings.NewReader(strings.Repeat(" ", 2<<20)), 2<<20))
	require.Equal(t, http.StatusBadRequest, ask(ctx, http.MethodPut, "/v1/sessions/"+uuid.NewString(), strings.NewReader(strings.Repeat(" ", 1<<19)+"x"), 1<<19+1))
	for range 3 { // nothing is held for good
		require.Equal(t, http.StatusOK, ask(ctx, http.MethodGet, "/v1/sessions", nil, 0))
	}
	b.must("stop-pssession", "--name", "calm")
}
