package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// nobody takes what a delivery brings and has no use for it.
type nobody struct{}

func (nobody) Hello(*api.StreamHello)  {}
func (nobody) Record(api.Record) error { return nil }
func (nobody) Flush() error            { return nil }

func send(s *Stream, kind api.Kind, seq uint64, data string) {
	_, _ = s.Write(api.AppendFrame(nil, &api.Record{Kind: kind, Seq: seq, Data: []byte(data), Time: time.Now()}))
}

// driveAt returns a Drive of a peer that serves the i-th connection by serve, from 1,
// after hello, and then ends it.
func driveAt(t *testing.T, serve func(i int, s *Stream)) *Drive {
	var made atomic.Int32
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		var req api.StreamRequest
		err := ReadBody(w, r, &req)
		s, aerr := Accept(w, r)
		if err != nil || aerr != nil {
			t.Errorf("%v %v", err, aerr)
			return
		}
		defer s.Close()
		send(s, api.KindHello, 0, `{"HeartbeatMs":200}`)
		serve(int(made.Add(1)), s)
	})
	return &Drive{Client: c, Session: "x", Consumer: nobody{}, RetryWindow: time.Minute}
}

// finished brings a delivery to its end.
func finished(s *Stream) {
	send(s, api.KindDone, 0, "")
	frames := api.NewFrameReader(s.Reader)
	for {
		rec, err := frames.Next()
		if err != nil {
			return
		}
		if rec.Kind == api.KindDone {
			send(s, api.KindAcked, 0, "")
			return
		}
	}
}

// A peer that takes nothing any more while standard input is sent is lost like one
// that says nothing: the writer, who waits, must not hold up the retry.
func TestAPeerThatTakesNothingIsLost(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	d := driveAt(t, func(i int, s *Stream) {
		if i == 1 {
			send(s, api.KindInputWindow, 1<<40, "")
			<-release
			return
		}
		finished(s)
	})
	d.Input = strings.NewReader(strings.Repeat("x", 64<<20))
	began := time.Now()
	require.NoError(t, d.Run(t.Context()))
	require.Less(t, time.Since(began), 5*time.Second)
}

// The place of a delivery's connection may be taken by a request of its own that was
// under way for long. That is no loss of the session; another client's attachment is.
func TestAReplacedDeliveryAsksAgain(t *testing.T) {
	made := 0
	serve := func(fault string) func(int, *Stream) {
		return func(i int, s *Stream) {
			if made = i; i == 1 {
				send(s, api.KindFault, 0, fault)
				return
			}
			finished(s)
		}
	}
	require.NoError(t, driveAt(t, serve(`{"Code":"StaleEpoch","Message":"resumed elsewhere"}`)).Run(t.Context()))
	require.Equal(t, 2, made)
	err := driveAt(t, serve(`{"Code":"StaleEpoch","Message":"taken over","Holder":"somebody"}`)).Run(t.Context())
	require.True(t, api.IsCode(err, api.CodeStaleEpoch), "%v", err)
	require.Equal(t, 1, made)
}

// A delivery of which only the last answer was lost is complete, also when its
// pipeline is no longer kept.
func TestACompleteDeliveryMayBeForgotten(t *testing.T) {
	asked := 0
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			WriteError(w, api.Errorf(api.CodePipelineNotFound, "not kept"))
			return
		}
		s, err := Accept(w, r)
		if err == nil {
			send(s, api.KindHello, 0, "{}")
			send(s, api.KindDone, 0, "")
			s.Close()
		}
	})
	d := &Drive{Client: c, Session: "x", Consumer: nobody{}, RetryWindow: time.Minute}
	require.NoError(t, d.Run(t.Context()))
	require.Equal(t, 2, asked)
	d = &Drive{Client: c, Session: "x", Consumer: nobody{}, RetryWindow: time.Minute}
	require.True(t, api.IsCode(d.Run(t.Context()), api.CodePipelineNotFound))
}

// The retry window bounds an outage, also while an attempt waits for its answer, and
// whoever wants to leave leaves at once.
func TestTheRetryWindowBoundsAnOutage(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var asked atomic.Int32
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			breakOff(w)
			return
		}
		<-release
	})
	t.Cleanup(func() { close(release) })
	var told []time.Duration
	d := &Drive{Client: c, Session: "x", Consumer: nobody{}, RetryWindow: 1500 * time.Millisecond}
	d.Retrying = func(left time.Duration) { told = append(told, left) }
	var over []bool
	d.Retried = func(restored bool) { over = append(over, restored) }
	began := time.Now()
	err := d.Run(t.Context())
	require.True(t, api.IsCode(err, api.CodeOutcomeUnknown), "%v", err)
	require.Contains(t, err.Error(), "no answer")
	require.InDelta(t, 1.5, time.Since(began).Seconds(), 1)
	require.NotEmpty(t, told)
	require.Less(t, told[0], 600*time.Millisecond, "what is left of the window after a second")
	require.Equal(t, []bool{false}, over)

	ctx, cancel := context.WithCancel(t.Context())
	asked.Store(0)
	d = &Drive{Client: c, Session: "x", Consumer: nobody{}, RetryWindow: time.Minute}
	d.Retrying = func(time.Duration) {
		began = time.Now()
		cancel()
	}
	require.ErrorIs(t, d.Run(ctx), context.Canceled)
	require.Less(t, time.Since(began), time.Second)
}

// What was never reached is an error at once: nothing can have begun.
func TestAPeerThatWasNeverReachedIsAnError(t *testing.T) {
	for _, cause := range []error{errors.New("refused"), api.Errorf(api.CodeUnreachable, "refused")} {
		c := &Client{Dial: func(context.Context) (net.Conn, error) { return nil, cause }}
		d := &Drive{Client: c, Session: "x", Consumer: nobody{}, RetryWindow: time.Minute}
		began := time.Now()
		require.ErrorIs(t, d.Run(t.Context()), cause)
		require.Less(t, time.Since(began), time.Second)
	}
}
