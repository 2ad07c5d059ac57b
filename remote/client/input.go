package client

import (
	"io"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// InputWindow is how far standard input may run ahead of the command in bytes:
// the session host grants it, and the client keeps as much for a resumption.
const InputWindow = 1 << 20

// inputSource reads standard input once and sends it over however many
// connections it takes. It keeps what the session host has not confirmed.
type inputSource struct {
	mu    sync.Mutex // guards what follows
	cond  *sync.Cond
	buf   []byte // from offset base
	base  uint64
	eof   bool
	sent  uint64 // on this connection
	limit uint64 // granted
	ended bool   // InputEnd was sent on this connection
	keep  bool   // after r's end the input stays open: Done is sent instead of InputEnd
	first bool   // no connection yet: r is appended to what the host has then
	send  func(*api.Record) error
	quit  bool
}

// newInputSource sends r; if added behind what the host has already, and without
// ending the input if keep is set.
func newInputSource(r io.Reader, added, keep bool) *inputSource {
	in := &inputSource{first: added, keep: keep}
	in.cond = sync.NewCond(&in.mu)
	go in.read(r)
	go in.pump()
	return in
}

// read takes from r while less than the window is held. Only a real end of r
// becomes an end-of-file: a failing read leaves the input open.
func (in *inputSource) read(r io.Reader) {
	chunk := make([]byte, 64<<10)
	for {
		in.mu.Lock()
		for len(in.buf) >= InputWindow && !in.quit {
			in.cond.Wait()
		}
		quit := in.quit
		in.mu.Unlock()
		if quit {
			return
		}
		n, err := r.Read(chunk)
		in.mu.Lock()
		in.buf = append(in.buf, chunk[:n]...)
		in.eof = in.eof || err == io.EOF
		in.cond.Broadcast()
		in.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// pump sends what may be sent.
func (in *inputSource) pump() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.quit {
		end := in.base + uint64(len(in.buf))
		switch {
		case in.send == nil || in.ended:
			in.cond.Wait()
		case in.sent < min(end, in.limit):
			n := min(end, in.limit, in.sent+64<<10)
			data := append([]byte(nil), in.buf[in.sent-in.base:n-in.base]...)
			in.sendLocked(&api.Record{Kind: api.KindInput, Seq: in.sent, Data: data, Time: time.Now()}, n)
		case in.eof && in.sent == end:
			in.ended = true
			last := api.Record{Kind: api.KindInputEnd, Seq: end, Time: time.Now()}
			if in.keep {
				last.Kind = api.KindDone
			}
			in.sendLocked(&last, end)
		default:
			in.cond.Wait()
		}
	}
}

// sendLocked sends without the lock; a failure waits for the next connection.
func (in *inputSource) sendLocked(rec *api.Record, sent uint64) {
	send := in.send
	in.sent = sent
	in.mu.Unlock()
	planted.Point("client-input")
	err := send(rec)
	in.mu.Lock()
	if err != nil && in.sent == sent {
		in.send = nil
	}
}

// attach starts sending on a new connection from offset received on.
func (in *inputSource) attach(send func(*api.Record) error, received int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.first {
		in.base, in.first = uint64(received), false
	}
	in.send, in.sent, in.ended = send, max(uint64(received), in.base), false
	in.limit = max(in.limit, in.sent)
	in.cond.Broadcast()
}

// grant lets input go up to limit and forgets what the host holds for good.
func (in *inputSource) grant(limit uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.limit = max(in.limit, limit)
	if limit > InputWindow && limit-InputWindow > in.base {
		if drop := min(limit-InputWindow, in.sent) - in.base; drop > 0 {
			in.buf = append(in.buf[:0], in.buf[drop:]...)
			in.base += drop
		}
	}
	in.cond.Broadcast()
}

func (in *inputSource) detach() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.send = nil
}

func (in *inputSource) stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.quit = true
	in.cond.Broadcast()
}
