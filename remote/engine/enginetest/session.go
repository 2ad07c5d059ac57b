//go:build unix

package enginetest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/engine"
)

// patience bounds every wait of the suite; a loaded computer may be slow.
const patience = 20 * time.Second

// suite is one engine with one shell.
type suite struct {
	engine engine.Engine
	shell  string
	bash   bool // the shell is bash, whatever its name
}

// session is an open runspace with a folder of its own.
type session struct {
	*suite
	t      *testing.T
	rs     engine.Runspace
	work   string
	number atomic.Uint32
}

func environment(work string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + work, "LANG=C", "LC_ALL=C", "USER=tester"}
}

// open opens a runspace that is closed with the test.
func (s *suite) open(t *testing.T, env ...string) *session {
	t.Helper()
	work := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rs, err := s.engine.Open(ctx, engine.Spec{
		Shell: s.shell, Dir: t.TempDir(), WorkingDirectory: work, Environment: append(environment(work), env...),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rs.Close()) })
	return &session{suite: s, t: t, rs: rs, work: work}
}

// recorder is a Sink that keeps everything.
type recorder struct {
	mu      sync.Mutex
	streams map[api.Kind]*bytes.Buffer
	late    bytes.Buffer
	result  engine.Result
	ends    int
	changed chan struct{} // closed and made anew at each change
	gate    chan struct{} // Write waits for it; nil: does not
	refuse  error         // what Write returns
	onWrite func(api.Kind, []byte)
}

func newRecorder() *recorder {
	return &recorder{streams: map[api.Kind]*bytes.Buffer{}, changed: make(chan struct{})}
}

func (r *recorder) Write(k api.Kind, b []byte) error {
	if r.gate != nil {
		<-r.gate
	}
	if r.onWrite != nil {
		r.onWrite(k, b)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	if r.streams[k] == nil {
		r.streams[k] = &bytes.Buffer{}
	}
	r.streams[k].Write(b)
	r.wakeLocked()
	return nil
}

func (r *recorder) Late(_ api.Kind, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ends == 0 {
		r.late.WriteString("LATE BEFORE END")
	}
	r.late.Write(b)
	r.wakeLocked()
}

func (r *recorder) End(res engine.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = res
	r.ends++
	r.wakeLocked()
}

func (r *recorder) wakeLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) text(k api.Kind) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams[k] == nil {
		return ""
	}
	return r.streams[k].String()
}

// until waits for a state of the recorder.
func (r *recorder) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(patience)
	for {
		r.mu.Lock()
		good, changed := ok(), r.changed
		r.mu.Unlock()
		if good {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("no %s after %s", what, patience)
		}
	}
}

// untilOut waits until standard output contains text.
func (r *recorder) untilOut(t *testing.T, text string) {
	t.Helper()
	r.until(t, "output "+text, func() bool {
		b := r.streams[api.KindOutput]
		return b != nil && strings.Contains(b.String(), text)
	})
}

// running is a started command.
type running struct {
	*recorder
	t *testing.T
	p engine.Pipeline
}

// start starts a command.
func (s *session) start(c engine.Command, r *recorder) *running {
	s.t.Helper()
	c.Number = s.number.Add(1)
	if r == nil {
		r = newRecorder()
	}
	p, err := s.rs.Invoke(c, r)
	require.NoError(s.t, err)
	return &running{recorder: r, t: s.t, p: p}
}

// outcome is what a command left.
type outcome struct {
	out, err, warning string
	engine.Result
}

// wait waits for the end.
func (r *running) wait() outcome {
	r.t.Helper()
	select {
	case <-r.p.Done():
	case <-time.After(patience):
		r.t.Fatalf("the command hangs; so far: out %q, err %q, warning %q", r.text(api.KindOutput), r.text(api.KindError), r.text(api.KindWarning))
	}
	require.Equal(r.t, 1, r.ends, "End is called once")
	return outcome{r.text(api.KindOutput), r.text(api.KindError), r.text(api.KindWarning), r.result}
}

// run runs a script to its end.
func (s *session) run(script string) outcome {
	s.t.Helper()
	return s.start(engine.Command{Script: script}, nil).wait()
}

// prints runs a script that must exit with 0 and print exactly that.
func (s *session) prints(want, script string) {
	s.t.Helper()
	o := s.run(script)
	require.Equal(s.t, want, o.out, "%s; its standard error: %q", script, o.err)
	require.Equal(s.t, api.OutcomeExited, o.Outcome)
	require.Zero(s.t, o.ExitCode)
}

// feed gives a command its input and the end of it.
func feed(t *testing.T, w io.WriteCloser, text string) {
	t.Helper()
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

// eventually polls a state outside of the engine.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not so after %s: %s", patience, what)
		}
		pause(2 * time.Millisecond)
	}
}

func (s *session) file(name string) string { return filepath.Join(s.work, name) }
