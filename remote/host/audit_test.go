package host

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// testHost is a host without processes: what it needs to be asked.
func testHost(t testing.TB, conf *config.Host) *Host {
	t.Helper()
	dir := t.TempDir()
	h := &Host{
		log: slog.New(slog.NewTextHandler(io.Discard, nil)), owner: "alice", token: "secret", hostID: "id", metrics: newMetrics(),
		active: client.NewActivity(),
	}
	h.env = func() []string { return []string{"HOME=" + dir} }
	h.settings.Store(conf)
	h.o.Config = conf
	h.o.Paths = config.Paths{Config: dir, State: dir}
	h.limits = newLimits(h.operations)
	h.leases = newLeases(time.Minute)
	h.dir = &directory{root: dir, log: h.log, entries: map[string]*entry{}}
	h.quota = newQuota(h.dir, conf)
	h.audit = newAudit(filepath.Join(dir, "audit.ndjson"), h)
	t.Cleanup(h.audit.reopen)
	h.accounts = newAccounts()
	require.NoError(t, os.MkdirAll(h.o.Paths.HostDir(), 0o700))
	var err error
	h.certs, err = newCerts(&Options{Paths: h.o.Paths, Config: conf, Log: h.log})
	require.NoError(t, err)
	h.auth, err = newAuth(h)
	require.NoError(t, err)
	return h
}

// lines reads an audit log; each line must be whole.
func lines(t testing.TB, paths ...string) (all []auditLine) {
	t.Helper()
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, text := range bytes.SplitAfter(data, []byte("\n")) {
			if len(text) == 0 {
				continue
			}
			var l auditLine
			require.NoError(t, json.Unmarshal(text, &l), "%q", text)
			require.True(t, bytes.HasSuffix(text, []byte("\n")))
			all = append(all, l)
		}
	}
	return all
}

// Files are put aside by size, so many are kept, and no line is lost or torn, whoever
// writes at the same time.
func TestAuditRotates(t *testing.T) {
	h := testHost(t, &config.Host{HostOperations: config.HostOperations{AuditMaxBytes: 4000, AuditKeep: 3}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				h.audit.event(&auditLine{Action: "New", Name: strings.Repeat("n", 100)})
			}
		})
	}
	wg.Wait()
	path := h.audit.file.path
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Greater(t, len(files), 1)
	require.Len(t, lines(t, files...), 40)
	for _, f := range files {
		st, err := os.Stat(f)
		require.NoError(t, err)
		assert.LessOrEqual(t, st.Size(), int64(4000))
		assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	}
	for range 200 {
		h.audit.event(&auditLine{Action: "New", Name: strings.Repeat("n", 100)})
	}
	files, err = filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Len(t, files, 4)
}

// A file that another program moved away is left alone from then on; a half line of a
// computer that was switched off spoils no line behind it.
func TestAuditFileIsTheOneOfItsName(t *testing.T) {
	h := testHost(t, &config.Host{})
	path := h.audit.file.path
	require.NoError(t, os.WriteFile(path, []byte(`{"Time":"2026-`), 0o600))
	h.audit.event(&auditLine{Action: "New"})
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `^{"Time":"2026-\n{"Time":.*}\n$`, string(data))
	require.NoError(t, os.Rename(path, path+".aside"))
	h.audit.event(&auditLine{Action: "Remove"})
	require.Equal(t, "Remove", lines(t, path)[0].Action)
}

// Where every request must be audited, none is served that cannot be; the first one after
// the trouble goes on.
func TestAuditRequired(t *testing.T) {
	for _, required := range []bool{true, false} {
		h := testHost(t, &config.Host{HostOperations: config.HostOperations{AuditRequired: required}})
		path := h.audit.file.path
		require.NoError(t, os.Mkdir(path, 0o700))
		h.audit.event(&auditLine{Action: "New"})
		require.EqualValues(t, 1, h.audit.errors.Load())
		err := h.audit.demand()
		if !required {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "cannot write its audit log")
		require.NoError(t, os.Remove(path))
		require.NoError(t, h.audit.demand())
		require.Equal(t, "ResumeAudit", lines(t, path)[0].Action)
	}
}

// Refusals of an address are counted after the first ones of a minute, and so are those of
// very many addresses.
func TestRefusalsAreBounded(t *testing.T) {
	var f refusals
	f.init()
	now, told := time.Now(), 0
	for i := range 100000 {
		if f.count(net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)).String(), now) {
			told++
		}
	}
	require.Equal(t, refusalsAll, told)
	require.LessOrEqual(t, len(f.seen), refusalAddresses+1)
	require.Empty(t, f.over(now.Add(time.Second), false))
	counts, sum := f.over(now.Add(time.Minute), false), 0
	require.LessOrEqual(t, len(counts), refusalsAll+1)
	for _, n := range counts {
		sum += n
	}
	require.Equal(t, 100000, told+sum)
	require.True(t, f.count("10.0.0.1", now), "a new minute")
}

// FuzzAuditLine finds no text of a client's that tears a line or hides in it.
func FuzzAuditLine(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\x00\x1b[31m", `","Refused":"`, "\u2028", "\xff\xfe", strings.Repeat("é", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := testHost(t, &config.Host{})
		h.audit.event(&auditLine{Action: "New", User: s, Name: s, Client: s, Address: s, TakenFrom: s, Route: s})
		all := lines(t, h.audit.file.path)
		require.Len(t, all, 1)
		require.Equal(t, resultDone, all[0].Result)
		require.LessOrEqual(t, len(all[0].Name), 3*(maxAuditText+len("…")))
	})
}

// wellFormed reads XML to its end.
func wellFormed(t testing.TB, text string) (names []string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			return names
		}
		require.NoError(t, err, text)
		if e, ok := tok.(xml.StartElement); ok {
			names = append(names, e.Name.Space+" "+e.Name.Local)
		}
	}
}

// FuzzWSMan finds no request that makes the fault ill-formed.
func FuzzWSMan(f *testing.F) {
	f.Add([]byte("<MessageID>uuid:1-2</MessageID>"), "server01:5986")
	f.Add([]byte("<a:MessageID><![CDATA[</a:RelatesTo>]]></a:MessageID>"), "a\"b<c")
	f.Add([]byte{0xff, 0x00}, "[::1]:5986")
	f.Fuzz(func(t *testing.T, body []byte, host string) {
		text := soapFault(body, host)
		names := wellFormed(t, text)
		require.Contains(t, names, soapEnvelope+" Fault")
		require.Contains(t, names, wsmanFault+" WSManFault")
		require.Len(t, names, map[bool]int{true: 15, false: 14}[strings.Contains(text, "RelatesTo")])
		require.Contains(t, text, "This is pss")
	})
}

func TestWSManIdentity(t *testing.T) {
	require.Contains(t, wellFormed(t, soapIdentity()), wsmanID+" ProductVendor")
}

// FuzzHandler finds no request of a stranger or of the own user that the host meets with a
// defect of its own, and no answer that is no JSON.
func FuzzHandler(f *testing.F) {
	f.Add("GET", "/v1/sessions", "", "", true)
	f.Add("PUT", "/v1/sessions/11111111-2222-4333-8444-555555555555", `{"Name":"x","Options":[]}`, "a/b", true)
	f.Add("POST", "/v1/sessions/x/pipelines/y/ack?epoch=1", `{"Seq":-1}`, "", true)
	f.Add("POST", "/v1/heartbeat", `{"Agent":"`+strings.Repeat("a", 600)+`"}`, "", true)
	f.Add("POST", "/v1/configurations", `{"Configuration":{"Name":"../../x"}}`, "", true)
	f.Add("PATCH", "/v1/configurations/..%2f..%2fhost", `null`, "\x1b[31m", true)
	f.Add("POST", "/wsman", "<", "", false)
	f.Add("DELETE", "/v1/sessions/%00", "", "", false)
	h := testHost(f, &config.Host{})
	handler := h.handler()
	f.Fuzz(func(t *testing.T, method, path, body, clientID string, known bool) {
		r, err := http.NewRequest(method, "https://pss"+path, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(path, "/") {
			t.Skip()
		}
		if known {
			r.Header.Set("Authorization", "Bearer secret")
		}
		r.Header.Set(api.HeaderClient, clientID)
		r.RemoteAddr = "192.0.2.1:1"
		// What makes a process is another test's business.
		if strings.HasPrefix(r.URL.Path, "/v1/sessions/") && r.Method == http.MethodPut && json.Valid([]byte(body)) {
			t.Skip()
		}
		w := &recorded{head: http.Header{}}
		handler.ServeHTTP(w, r)
		require.Zero(t, h.metrics.panics.Load())
		if !known && !strings.HasPrefix(r.URL.Path, "/wsman") && w.status < 300 {
			t.Fatalf("a stranger was answered %d: %s", w.status, w.body.String())
		}
		if w.head.Get("Content-Type") == api.TypeJSON {
			require.True(t, json.Valid(w.body.Bytes()), w.body.String())
		}
	})
}

// recorded is an answer in memory.
type recorded struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.head }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }
