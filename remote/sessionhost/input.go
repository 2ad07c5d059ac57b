package sessionhost

import (
	"fmt"
	"io"
	"os"
	"sync"

	"pss/remote/api"
	"pss/remote/client"
)

// inputQueue is the standard input of a pipeline between the client that sends
// it and the command that reads it. Only an end that the client sent ends it: a
// client that is lost leaves it open. A stored queue takes everything onto disk;
// another one takes client.InputWindow more than the command has read.
type inputQueue struct {
	mu      sync.Mutex // guards what follows
	cond    *sync.Cond
	buf     []byte   // from offset read; of a queue that is not stored
	file    *os.File // of a stored queue
	path    string
	got     uint64 // offset behind the last byte that arrived
	read    uint64 // offset behind the last byte that the command took
	ended   bool   // the client sent end-of-file
	gone    bool   // the command has ended or closed its input: swallow the rest
	windows func() // told when more may be sent
}

func newInputQueue(dir string, stored bool) (*inputQueue, error) {
	q := &inputQueue{}
	q.cond = sync.NewCond(&q.mu)
	if stored {
		q.path = dir + ".input" // beside the spool, whose folder is its own
		f, err := os.OpenFile(q.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		q.file = f
	}
	return q, nil
}

// put takes the bytes at offset; what is known already is skipped, a hole refused.
func (q *inputQueue) put(offset uint64, data []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if offset > q.got {
		return api.Errorf(api.CodeInvalidArgument, "input at %d, expected %d", offset, q.got)
	}
	if offset+uint64(len(data)) <= q.got {
		return nil
	}
	data = data[q.got-offset:]
	switch {
	case q.ended:
		return api.Errorf(api.CodeInvalidArgument, "input after its end")
	case q.gone:
	case q.file != nil:
		if _, err := q.file.WriteAt(data, int64(q.got)); err != nil {
			return diskError(fmt.Errorf("store input: %w", err))
		}
	case len(q.buf)+len(data) > 2*client.InputWindow:
		return api.Errorf(api.CodeTooLarge, "input beyond the granted window")
	default:
		q.buf = append(q.buf, data...)
	}
	q.got += uint64(len(data))
	q.cond.Broadcast()
	return nil
}

// end is the client's end-of-file behind total bytes.
func (q *inputQueue) end(total uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if total != q.got {
		return api.Errorf(api.CodeInvalidArgument, "input ends at %d, but %d bytes arrived", total, q.got)
	}
	q.ended = true
	q.cond.Broadcast()
	return nil
}

// open reports whether the end of the input is still to come.
func (q *inputQueue) open() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.ended && !q.gone
}

func (q *inputQueue) received() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int64(q.got)
}

// limit is the offset up to which a client may send.
func (q *inputQueue) limit() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.file != nil || q.gone {
		return q.got + client.InputWindow
	}
	return q.read + client.InputWindow
}

// onWindow sets who is told that the limit has moved.
func (q *inputQueue) onWindow(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.windows = f
}

// pump feeds the command until the end.
func (q *inputQueue) pump(w io.WriteCloser) {
	chunk := make([]byte, 64<<10)
	for {
		n, end := q.take(chunk)
		if end {
			break
		}
		if _, err := w.Write(chunk[:n]); err != nil {
			q.discard()
			break
		}
	}
	q.mu.Lock()
	ended := q.ended
	q.mu.Unlock()
	if ended {
		w.Close()
	}
}

// take returns the next bytes for the command; end: there will be none.
func (q *inputQueue) take(chunk []byte) (n int, end bool) {
	q.mu.Lock()
	for q.read == q.got && !q.ended && !q.gone {
		q.cond.Wait()
	}
	if q.gone || q.read == q.got {
		q.mu.Unlock()
		return 0, true
	}
	if q.file != nil {
		var err error
		if n, err = q.file.ReadAt(chunk[:min(uint64(len(chunk)), q.got-q.read)], int64(q.read)); n == 0 && err != nil {
			q.mu.Unlock()
			q.discard()
			return 0, true
		}
	} else {
		n = copy(chunk, q.buf)
		q.buf = append(q.buf[:0], q.buf[n:]...)
	}
	q.read += uint64(n)
	windows := q.windows
	q.mu.Unlock()
	if windows != nil {
		windows()
	}
	return n, false
}

// discard lets go of everything: nobody will read it.
func (q *inputQueue) discard() {
	q.mu.Lock()
	if !q.gone {
		q.gone, q.buf = true, nil
		if q.file != nil {
			q.file.Close()
			os.Remove(q.path)
		}
	}
	windows := q.windows
	q.cond.Broadcast()
	q.mu.Unlock()
	if windows != nil {
		go windows() // the caller may hold the session
	}
}

// inputErrorLocked says why nobody can send standard input to the pipeline now.
func (p *pipeline) inputErrorLocked() error {
	e := api.Errorf(api.CodeInvalidState, "the command in session %s reads no standard input", p.s.info.Name).
		Hint("start it with input that stays open: pss invoke-command --keep-input-open")
	switch {
	case !p.facts.Running():
		e = api.Errorf(api.CodeInvalidState, "the command in session %s has ended", p.s.info.Name)
	case p.input == nil:
	case !p.input.open():
		e = api.Errorf(api.CodeInvalidState, "the standard input of the command in session %s has been closed", p.s.info.Name)
	case p.feed.Load() != nil:
		e = api.Errorf(api.CodeInvalidAvail, "the standard input of the command in session %s is being sent by another cmdlet", p.s.info.Name).
			Hint("end that one, or wait for it")
	default:
		return nil
	}
	return e.WithID("SendPSSessionInputNotPossible").On(p.s.info.Name)
}
