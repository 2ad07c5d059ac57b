package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// copyBuffer is one frame of the usual size and its header.
const copyBuffer = 256<<10 + 4096

// endTimeout bounds how long one side of an attachment may take to end when the
// other one has: out of reach, it never would.
const endTimeout = 10 * time.Second

var buffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// Splice copies an attachment both ways until it ends, passing an end on. It
// returns true if both sides said their last frame: then neither connection holds
// anything more, and both may carry the next request. Otherwise both are closed.
//
// down is the client's side, up the session host's.
func Splice(down, up *Stream) (clean bool) {
	defer spread()()
	fromClient := make(chan bool, 1)
	oneWay := func(dst, src *Stream, last api.Kind) bool {
		clean, err := copyFrames(dst, src, last)
		switch {
		case clean:
		case errors.Is(err, errNotTaken) && !planted.On("last-words-lost"):
			// dst has left, and why may still be on its way to src.
			_ = dst.SetReadDeadline(time.Now().Add(partingTime))
		case err != nil:
			down.Close()
			up.Close()
		case dst.CloseWrite() != nil:
			dst.Close()
		default:
			dst.SetReadDeadline(time.Now().Add(endTimeout))
		}
		return clean
	}
	go func() { fromClient <- oneWay(up, down, api.KindDone) }()
	clean = oneWay(down, up, api.KindAcked)
	clean = <-fromClient && clean
	if !clean {
		down.Close()
		up.Close()
		return false
	}
	down.relax()
	up.relax()
	return true
}

// partingTime bounds the wait for what a side that takes nothing more has to say.
const partingTime = 5 * time.Second

// errNotTaken says that the connection to which was copied takes nothing more.
var errNotTaken = errors.New("not taken")

// splices counts the attachments that pass through this process.
var splices atomic.Int32

// spread gives the process as many processors as attachments pass through it, up
// to what the computer has: it may have begun with one. It never takes one back.
func spread() (done func()) {
	if n := int(splices.Add(1)); n > runtime.GOMAXPROCS(0) && n <= runtime.NumCPU() {
		runtime.GOMAXPROCS(n)
	}
	return func() { splices.Add(-1) }
}

// copyFrames copies until the last frame of this direction has passed (true), or
// src ends (false), with a large buffer only while much data flows. It looks at
// the headers alone.
func copyFrames(dst, src *Stream, last api.Kind) (clean bool, err error) {
	buf := make([]byte, 4096)
	scan := frameScanner{last: last}
	for large, have := false, 0; ; {
		n, err := src.Read(buf[have:])
		end := scan.pass(buf[have : have+n])
		have += n
		if !end && err == nil && len(buf)-have >= tlsRecord && src.more() {
			continue // one write for as much as there is
		}
		if have > 0 {
			if _, werr := dst.Write(buf[:have]); werr != nil {
				return false, fmt.Errorf("%w: %w", errNotTaken, werr)
			}
		}
		switch {
		case end:
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		}
		if have == len(buf) && !large {
			pooled := buffers.Get().(*[]byte)
			defer buffers.Put(pooled)
			buf, large = *pooled, true
		}
		have = 0
	}
}

// tlsRecord is the most that one read of a TLS connection returns.
const tlsRecord = 16 << 10

// more reports whether the next read returns at once, as far as that is known.
func (s *Stream) more() bool {
	if s.Reader.Buffered() > 0 {
		return true
	}
	t, ok := s.Conn.(*tlsConn)
	return ok && t.bulk.more()
}

// relax lets go of what only a large transfer needed.
func (s *Stream) relax() {
	if t, ok := s.Conn.(*tlsConn); ok {
		t.bulk.relax()
	}
}

// frameScanner finds the end of the last frame in a stream that it sees in pieces.
type frameScanner struct {
	last api.Kind
	head [api.FrameHeaderSize]byte
	have int // bytes of head
	skip int // bytes of data still to pass
}

// pass reports whether b ends with the last frame.
func (f *frameScanner) pass(b []byte) bool {
	for len(b) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(b))
			f.skip -= n
			b = b[n:]
			if f.skip == 0 && f.isLast() {
				return len(b) == 0
			}
			continue
		}
		n := copy(f.head[f.have:], b)
		f.have += n
		b = b[n:]
		if f.have < len(f.head) {
			return false
		}
		f.have = 0
		f.skip = int(binary.LittleEndian.Uint32(f.head[4:]))
		if f.skip == 0 && f.isLast() {
			return len(b) == 0
		}
	}
	return false
}

func (f *frameScanner) isLast() bool { return api.Kind(f.head[8]) == f.last }
