package sessionhost

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
	"pss/remote/spool"
)

// deliver sends everything planned, then KindDone, and waits for the client to
// have it.
func (st *stream) deliver(ctx context.Context, plan []part) error {
	if st.req.InputOnly && st.feeds() {
		<-ctx.Done() // receive answers the end of the input
		return nil
	}
	for _, p := range plan {
		if err := st.deliverOne(ctx, p); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := st.send(&api.Record{Kind: api.KindDone, Time: time.Now()}); err != nil {
		return err
	}
	select {
	case <-st.final:
	case <-ctx.Done():
	}
	return nil
}

// feeds reports whether st sends some pipeline's standard input.
func (st *stream) feeds() bool {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	for _, p := range st.s.pipelines {
		if p.feed.Load() == st {
			return true
		}
	}
	return false
}

func (st *stream) deliverOne(ctx context.Context, p part) error {
	rd := p.spool.NewReader(p.after)
	buf := make([]byte, smallBuffer)
	for {
		if sent, err := st.sendExtent(rd); sent || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		frames, err := st.next(ctx, rd, buf)
		if errors.Is(err, io.EOF) {
			return st.missingEnd(p.pipeline)
		}
		if err != nil || frames == nil {
			return err
		}
		if err := st.write(frames); err != nil {
			return err
		}
		if st.req.Peek && planted.On("peek-acknowledges") {
			_ = p.spool.Ack(rd.Seq())
		}
		if len(frames) > smallBuffer/2 && len(buf) == smallBuffer {
			large := streamBuffers.Get().(*[]byte)
			defer streamBuffers.Put(large)
			buf = *large
		}
	}
}

// next returns the next frames; none when the client does not want to wait for them.
func (st *stream) next(ctx context.Context, rd *spool.Reader, buf []byte) ([]byte, error) {
	if !st.req.NoWait {
		return rd.Next(ctx, buf)
	}
	frames, ok, err := rd.TryNext(buf)
	if !ok {
		return nil, err
	}
	return frames, err
}

// extentSize is how much output must wait before it is worth a sendfile.
const extentSize = 128 << 10

// sendExtent sends what waits in one file without reading it, if that is much.
func (st *stream) sendExtent(rd *spool.Reader) (sent bool, err error) {
	if st.req.Peek || st.req.Replay {
		return false, nil // what others have acknowledged is reused under a socket
	}
	ext, ok := rd.Extent(extentSize)
	if !ok {
		return false, nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	sent, err = platform.SendFile(st.conn.Conn, ext.File, ext.Offset, ext.Length)
	ext.Done(sent && err == nil)
	return sent, err
}

// missingEnd makes the end record of a pipeline whose disk had no room for it.
func (st *stream) missingEnd(p *pipeline) error {
	st.s.mu.Lock()
	f, full := p.facts, p.full
	st.s.mu.Unlock()
	if full == nil || f.Running() {
		return nil
	}
	data, err := json.Marshal(&api.PipelineEnd{Outcome: f.Outcome, ExitCode: f.ExitCode, Error: full})
	if err != nil {
		return err
	}
	return st.send(&api.Record{Kind: api.KindEnd, Pipeline: f.Number, Time: time.Now(), Data: data})
}
