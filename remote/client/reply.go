package client

import (
	"errors"
	"io"
	"slices"
	"time"

	"pss/remote/planted"
)

const (
	// maxHead bounds the head of a reply: who answers may be anybody.
	maxHead = 64 << 10
	// smallReply is taken without asking for room.
	smallReply = 64 << 10
	// roomStep is how much room is asked for at a time.
	roomStep = 1 << 20
)

// headReader reads at most left bytes while that is not negative: net/http itself bounds
// no head of a reply.
type headReader struct {
	io.Reader
	left int64
}

// Trace is one exchange, for people who want to follow it.
type Trace struct {
	Method, Path string
	Status       int // 0: no answer
	Took         time.Duration
}

var errLongHead = errors.New("the head of the reply is too large")

// Read reads what there is.
func (h *headReader) Read(p []byte) (int, error) {
	if h.left < 0 || planted.On("heads-not-bounded") {
		return h.Reader.Read(p)
	}
	if h.left == 0 {
		return 0, errLongHead
	}
	n, err := h.Reader.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

// readReply reads the body of a reply. free gives back the room that it takes.
func (c *Client) readReply(body io.Reader) (data []byte, free func(), err error) {
	var held []func()
	free = func() {
		for _, f := range held {
			f()
		}
	}
	if c.Memory == nil || planted.On("replies-not-bounded") {
		data, err = io.ReadAll(io.LimitReader(body, MaxReply+1))
	} else {
		data, err = io.ReadAll(io.LimitReader(body, smallReply))
		pieces := [][]byte{data}
		for n := smallReply; err == nil && len(data) == smallReply && n <= MaxReply; {
			var release func()
			if release, err = c.Memory(roomStep); err != nil {
				break
			}
			held = append(held, release)
			piece := make([]byte, roomStep)
			got, rerr := io.ReadFull(body, piece)
			pieces, n = append(pieces, piece[:got]), n+got
			if errors.Is(rerr, io.EOF) || errors.Is(rerr, io.ErrUnexpectedEOF) {
				break
			}
			err = rerr
		}
		if err == nil && len(pieces) > 1 {
			data = slices.Concat(pieces...)
		}
	}
	if err == nil && len(data) > MaxReply {
		err = errors.New("the reply is too large")
	}
	return data, free, err
}
