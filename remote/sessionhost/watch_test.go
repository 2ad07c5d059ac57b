package sessionhost

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pss/remote/api"
	"pss/remote/platform"
)

// The idle clock is that of the computer's uptime: whatever the wall clock was set
// to, and whatever times the facts therefore tell people, expires nothing and keeps
// nothing.
func TestTheIdleClockIsNoWallClock(t *testing.T) {
	for _, c := range []struct {
		name    string
		idle    time.Duration // since the disconnect, by the uptime
		wall    time.Duration // from now to ExpiresOn, by the wall clock
		timeout time.Duration
		running bool
		stops   bool // IdleClockWhileBusy = false
		held    bool
		want    bool
	}{
		{name: "not yet", idle: time.Second, wall: 59 * time.Second, timeout: time.Minute},
		{name: "over", idle: time.Minute, wall: 0, timeout: time.Minute, want: true},
		{name: "wall clock set forward", idle: time.Second, wall: -24 * time.Hour, timeout: time.Minute},
		{name: "wall clock set back", idle: time.Minute, wall: 24 * time.Hour, timeout: time.Minute, want: true},
		{name: "while a command runs", idle: time.Minute, timeout: time.Minute, running: true, want: true},
		{name: "clock stops while busy", idle: time.Minute, timeout: time.Minute, running: true, stops: true},
		{name: "clock stopped, now idle", idle: time.Minute, timeout: time.Minute, stops: true, want: true},
		{name: "connected", idle: time.Hour, timeout: time.Minute, held: true},
		{name: "never", idle: 1000 * time.Hour, timeout: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			on, until := time.Now().Add(c.wall-c.timeout), time.Now().Add(c.wall)
			s := &Session{idleFrom: platform.BootTime() - c.idle, info: api.RunspaceInfo{
				Life: api.LifeOpen, IdleTimeoutMs: c.timeout.Milliseconds(), IdleClockStopsWhileBusy: c.stops,
				DisconnectedOn: &on, ExpiresOn: &until,
			}}
			if c.held {
				s.info.Attached = &api.Attachment{}
			}
			if c.running {
				s.pipelines = []*pipeline{{s: s, facts: api.Pipeline{State: api.PipelineRunning}}}
			}
			assert.Equal(t, c.want, s.expired())
		})
	}
}
