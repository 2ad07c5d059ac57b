package client

import (
	"context"
	"time"

	"pss/remote/api"
)

// Beat sends a heartbeat whenever the pace says so, until ctx ends or one cannot be sent.
func Beat(ctx context.Context, pace time.Duration, send func(*api.Record) error) {
	t := time.NewTicker(pace)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if send(&api.Record{Kind: api.KindHeartbeat, Time: time.Now()}) != nil {
				return
			}
		}
	}
}
