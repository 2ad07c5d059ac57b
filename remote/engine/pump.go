//go:build unix

package engine

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pss/remote/api"
)

const (
	smallBuffer = 64 << 10
	// bigBuffer is what still fits a processor's cache on its way through all
	// processes: larger reads were slower.
	bigBuffer = 256 << 10
	// grace is how long the end of a command waits for another writer of its
	// output, such as the process of >(…), before what comes is late.
	grace = 50 * time.Millisecond
)

// The buffers are borrowed for one read and its delivery: a pipe without data
// holds none.
var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallBuffer); return &b }}
	bigBuffers   = sync.Pool{New: func() any { b := make([]byte, bigBuffer); return &b }}
)

// pump carries one output stream of a command to its sink, until nobody can write
// to it any more.
type pump struct {
	c       *command
	kind    api.Kind
	file    *os.File // the read end
	raw     syscall.RawConn
	writer  int           // our own write end, so that the end is not seen early; -1
	drained chan struct{} // closed when all output until the command's end was given
	clean   bool          // the end of the stream was seen: nobody holds the FIFO
	late    bool
	big     bool // a read filled the small buffer: more comes
	refused bool // the sink takes nothing more
}

// newPump makes the FIFO at path, unless there is one that is used again.
func newPump(c *command, kind api.Kind, path string, used bool) (*pump, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil && (!used || !errors.Is(err, unix.EEXIST)) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	p := &pump{c: c, kind: kind, file: f, drained: make(chan struct{})}
	if p.raw, err = f.SyscallConn(); err == nil {
		p.writer, err = unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return p, nil
}

// unplug gives up our write end: from now on the end of the stream can be seen.
func (p *pump) unplug() {
	if p.writer >= 0 {
		_ = unix.Close(p.writer)
		p.writer = -1
	}
}

// run reads until the end of the stream.
func (p *pump) run() {
	defer p.c.rs.pumps.Done()
	defer func() {
		p.finish()
		p.c.rs.mu.Lock()
		delete(p.c.rs.live, p)
		p.c.rs.mu.Unlock()
		_ = p.file.Close()
	}()
	for {
		err := p.once(p.raw.Read, -1)
		if errors.Is(err, os.ErrDeadlineExceeded) && !p.late {
			// The grace is over. What is in the pipe by now was written before;
			// its amount is taken once, since a child may write without pause.
			if err = p.rest(); err == nil {
				p.finish()
				p.late = true
				_ = p.file.SetReadDeadline(time.Time{})
			}
		}
		if err != nil {
			if err == io.EOF && !p.late {
				p.clean = true
			}
			return
		}
	}
}

// finish tells that the output until the command's end is given.
func (p *pump) finish() {
	if !p.late {
		close(p.drained)
	}
}

// rest delivers what is in the pipe.
func (p *pump) rest() error {
	size := 0
	err := p.raw.Control(func(fd uintptr) { size, _ = unix.IoctlGetInt(int(fd), fionread) })
	for err == nil && size > 0 {
		n := 0
		n, err = p.take(func(f func(uintptr) bool) error {
			return p.raw.Control(func(fd uintptr) { f(fd) })
		}, size)
		if n == 0 {
			break
		}
		size -= n
	}
	return err
}

// discard empties the pipe: no script has begun, and what is there is noise.
func (p *pump) discard() {
	b := make([]byte, 4096)
	_ = p.raw.Control(func(fd uintptr) {
		for n := 1; n > 0; {
			n, _ = unix.Read(int(fd), b)
		}
	})
}

func (p *pump) once(read func(func(uintptr) bool) error, limit int) error {
	_, err := p.take(read, limit)
	return err
}

// take makes one read of at most limit bytes (-1: a buffer) and delivers it. The
// buffer is taken when there may be data and given back before waiting for more.
func (p *pump) take(read func(func(uintptr) bool) error, limit int) (int, error) {
	pool := &smallBuffers
	if p.big {
		pool = &bigBuffers
	}
	var buf *[]byte
	var n int
	var readErr error
	err := read(func(fd uintptr) bool {
		buf = pool.Get().(*[]byte)
		b := *buf
		if limit >= 0 && limit < len(b) {
			b = b[:limit]
		}
		for {
			n, readErr = unix.Read(int(fd), b)
			if readErr != unix.EINTR {
				break
			}
		}
		if readErr == unix.EAGAIN {
			pool.Put(buf)
			buf, n = nil, 0
			return false
		}
		return true
	})
	if buf == nil {
		return 0, err
	}
	defer pool.Put(buf)
	if readErr != nil {
		return 0, readErr
	}
	if n <= 0 {
		return 0, io.EOF
	}
	p.deliver((*buf)[:n])
	p.adapt(n)
	return n, nil
}

// adapt uses big buffers, and a big pipe, while much data flows.
func (p *pump) adapt(n int) {
	if !p.big && n == smallBuffer {
		_ = p.raw.Control(widen)
	}
	p.big = n >= smallBuffer
}

// deliver hands data to the sink. What came before the script began can only be a
// complaint of a shell that did not run it; there will be another attempt.
func (p *pump) deliver(data []byte) {
	c := p.c
	if p.late {
		<-c.done
		c.sink.Late(p.kind, data)
		return
	}
	if p.refused || !c.begun() {
		return
	}
	if err := c.sink.Write(p.kind, data); err != nil {
		p.refused = true
		c.rs.log.Warn("output cannot be kept; the command is stopped", "command", c.Number, "error", err)
		c.Stop()
		return
	}
	if p.kind == api.KindError && wantsTerminal(data) && c.hinted.CompareAndSwap(false, true) {
		c.warn("sessions have no terminal: a command that asks for one (sudo, ssh, passwd) must be told not to, as sudo -n does")
	}
}

// wantsTerminal reports whether a message complains about a missing terminal.
func wantsTerminal(data []byte) bool {
	if len(data) > 4096 {
		return false
	}
	for _, s := range []string{"a terminal is required", "no tty present", "/dev/tty"} {
		if bytes.Contains(data, []byte(s)) {
			return true
		}
	}
	return false
}
