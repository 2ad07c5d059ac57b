//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"pss/remote/api"
)

// frames are no frames, on an attachment that is one.
func (b *badInputs) frames() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	f := b.w.facts()["calm"]
	sh := sessionHost(f, f.info.Attached.Client)
	for i, data := range badFrames() {
		b.n++
		pipeline := uuid.NewString()
		s, err := sh.Stream(ctx, b.session, &api.StreamRequest{Stream: uuid.NewString(), Epoch: f.info.Epoch, Pipeline: pipeline,
			Start: &api.Command{Script: "cat > /dev/null", Input: api.InputModeStream}})
		if !assert.NoError(b.t, err, "frame %d", i) {
			return
		}
		_, _ = s.Conn.Write(data)
		s.Close()
		_ = sh.Signal(ctx, b.session, pipeline, &api.SignalRequest{Epoch: f.info.Epoch, Signal: "INT"}) // it may have ended
		eventually(b.t, "the command has ended", func() bool { info := b.w.facts()["calm"].info; return info.Running() == nil })
	}
}

func badFrames() [][]byte {
	var list [][]byte
	for _, n := range []int{1, api.FrameHeaderSize - 1, api.FrameHeaderSize, 100} {
		list = append(list, bytes.Repeat([]byte{0xff}, n), make([]byte, n))
	}
	// Whole ones, of which what they say is wrong.
	for _, kind := range []api.Kind{0, 1, 7, 100, 255} {
		for _, seq := range []uint64{0, 2, 1<<64 - 1} {
			frame := api.AppendFrame(nil, &api.Record{Pipeline: uint32(seq), Seq: seq, Kind: kind, Time: time.Unix(0, -1), Data: []byte("garbage")})
			list = append(list, frame)
		}
	}
	long := make([]byte, api.FrameHeaderSize)
	binary.LittleEndian.PutUint32(long[4:], 1<<32-1)
	return append(list, long, []byte("GET / HTTP/1.1\r\n\r\n"), bytes.Repeat([]byte("\x1b[31m"), 200000))
}
