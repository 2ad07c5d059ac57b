package sshlink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/xtaci/smux"
	"pss/remote/api"
	"pss/remote/platform"
)

const (
	// endTime is how long ssh may take to end by itself.
	endTime = 2 * time.Second
	// partingTime is how long one that has ended may take to say why.
	partingTime = 200 * time.Millisecond
	// lastWords is how much of what ssh says is kept.
	lastWords = 16 << 10
)

// process is an ssh that runs, and what it carries.
type process struct {
	nonce string // of the far side's line
	cmd   *exec.Cmd
	pipes *pipes
	words *words
	said  *clock
	exit  chan struct{} // closed when the process has ended

	mux *smux.Session

	mu    sync.Mutex // guards what follows
	ended bool
	err   error
}

// words keep the end of what ssh wrote to its standard error: its banners, questions
// that nobody could answer, and why it ended.
type words struct {
	mu   sync.Mutex // guards text
	text []byte
	done chan struct{} // closed at its end
}

func (w *words) read(r io.ReadCloser) {
	defer close(w.done)
	defer r.Close()
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		w.mu.Lock()
		w.text = append(w.text, buf[:n]...)
		w.text = w.text[max(0, len(w.text)-lastWords):]
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(strings.ReplaceAll(string(w.text), "\r", ""))
}

// start starts ssh with argv.
func start(name, nonce, ssh string, argv, env []string) (*process, error) {
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			f.Close()
		}
	}
	pipe := func() (*os.File, *os.File, error) {
		r, w, err := os.Pipe()
		if err == nil {
			files = append(files, r, w)
			platform.WidenPipe(r)
		}
		return r, w, err
	}
	in, toSSH, err := pipe()
	fromSSH, out, err2 := pipe()
	says, errs, err3 := pipe()
	if err := errors.Join(err, err2, err3); err != nil {
		closeAll()
		return nil, err
	}
	cmd := &exec.Cmd{Path: ssh, Args: append([]string{"ssh"}, argv...), Env: env, Dir: "/", Stdin: in, Stdout: out, Stderr: errs}
	platform.OwnSession(cmd)
	if err := cmd.Start(); err != nil {
		closeAll()
		return nil, api.Errorf(api.CodeUnreachable, "[%s] ssh could not be started: %v", name, err).WithID("SSHNotFound").On(name).
			Hint("install an OpenSSH client")
	}
	for _, f := range []*os.File{in, out, errs} {
		f.Close()
	}
	p := &process{nonce: nonce, cmd: cmd, pipes: newPipes(fromSSH, toSSH), words: &words{done: make(chan struct{})}, exit: make(chan struct{})}
	go p.words.read(says)
	go func() {
		_ = cmd.Wait() // what it said tells why it ended
		close(p.exit)
	}()
	return p, nil
}

// join starts the connections, once the far end has said hello.
func (p *process) join(heartbeat time.Duration) (err error) {
	p.said = newClock() // from now on: whoever was asked for a passphrase took their time
	p.mux, err = smux.Client(p.pipes, muxConfig(heartbeat, 3*heartbeat))
	return err
}

// exited reports whether the process has ended.
func (p *process) exited() bool {
	select {
	case <-p.exit:
		return true
	default:
		return false
	}
}

// over reports whether the link has ended, as far as is known.
func (p *process) over() bool { return p.exited() || p.given() || p.mux.IsClosed() }

// given reports whether we have given up the link.
func (p *process) given() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// hung reports whether signs of life were missed, from an ssh that says nothing.
func (p *process) hung() bool { return !p.exited() && p.mux.IsClosed() && !p.given() }

// errIdle says that nobody needs the link.
var errIdle = errors.New("the link was idle")

// watch returns when the link has ended, or nothing was said on it for idle.
func (p *process) watch(idle time.Duration) error {
	broken := make(chan error, 1)
	go func() { // the far end makes no connections: this waits for the link's end
		_, err := p.mux.AcceptStream()
		broken <- err
	}()
	t := time.NewTicker(max(min(idle/4, 5*time.Second), 20*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-p.exit:
			return io.EOF
		case err := <-broken:
			if p.hung() {
				return errSilent
			}
			p.parting()
			return err
		case <-t.C:
			if p.said.quiet() > idle {
				return errIdle
			}
		}
	}
}

// parting gives an ssh whose output has ended the time to say why.
func (p *process) parting() {
	select {
	case <-p.exit:
	case <-time.After(partingTime):
	}
}

// end ends the link and its ssh, and does not wait for that.
func (p *process) end(why error) {
	p.mu.Lock()
	first := !p.ended
	if first {
		p.ended, p.err = true, why
	}
	p.mu.Unlock()
	if !first {
		return
	}
	go func() {
		p.pipes.Close()
		if p.mux != nil {
			p.mux.Close()
		}
		// The end of its input ends it. Sooner, where it does not read that; and what it
		// has started, a ProxyJump's ssh, may be the one that hangs.
		platform.EndSession(p.cmd.Process, false)
		select {
		case <-p.exit:
		case <-time.After(endTime):
			platform.EndSession(p.cmd.Process, true)
		}
	}()
}

// open begins a connection on the link: the far end says that it lives.
func (p *process) open() (*stream, error) {
	mux, err := p.mux.OpenStream()
	if err != nil {
		return nil, err
	}
	s := &stream{Stream: mux, said: p.said}
	if err := s.await(alive); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// join waits until the host has the connection.
func (s *stream) join(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(time.Unix(1, 0)) })
	err := s.await(joined)
	if !stop() && err == nil || err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// await reads the byte with which the far end says how far it is.
func (s *stream) await(want byte) error {
	var got [1]byte
	if _, err := io.ReadFull(s, got[:]); err != nil {
		return err
	}
	switch got[0] {
	case want:
		return nil
	case failed:
		return s.refusal()
	}
	return fmt.Errorf("unexpected byte %#x", got[0])
}

// refusal reads why the host has not taken the connection.
func (s *stream) refusal() error {
	data, err := io.ReadAll(io.LimitReader(s, 64<<10))
	if err != nil {
		return err
	}
	var e api.Error
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	return &e
}

// errSilent says that the far end does not answer.
var errSilent = errors.New("ssh is connected, and the far end does not answer")

// why is the reason for which the link ended, in ssh's words where it has said some.
func (p *process) why(err error) error {
	p.mu.Lock()
	known := p.err
	p.mu.Unlock()
	if errors.Is(known, errSilent) {
		return known
	}
	p.parting()
	if !p.exited() {
		return fmt.Errorf("the connection through ssh ended: %w", cmp.Or(known, err))
	}
	p.settle()
	if text := reasonIn(p.words.String()); text != "" {
		return errors.New("ssh: " + text)
	}
	return fmt.Errorf("ssh has ended (%s)", p.state())
}

// state says how the process ended.
func (p *process) state() string {
	if !p.exited() {
		return "it still runs"
	}
	return p.cmd.ProcessState.String()
}

// settle waits a moment for the last words of an ssh that has ended: what it left in
// the background may keep its standard error open.
func (p *process) settle() {
	select {
	case <-p.words.done:
	case <-time.After(partingTime):
	}
}
