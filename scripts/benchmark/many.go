package main

import (
	"fmt"
	"strings"
	"time"
)

const (
	many       = 1000
	manyPerSec = 100.0                  // sessions that one client process makes in a second, at least
	manyListed = 100 * time.Millisecond // for a listing of all of them, at most
)

// measureMany makes a thousand idle sessions with one cmdlet and lists them.
func measureMany(b *bench) ([]result, error) {
	if err := b.pss.removeAll(); err != nil {
		return nil, err
	}
	computers := strings.Repeat("localhost,", many-1) + "localhost"
	took, err := b.pss.cmd("new-pssession", "--computer-name", computers).time(b.ctx)
	if err != nil {
		return nil, err
	}
	list, err := b.pss.list(b.ctx, "get-pssession", "--computer-name", "localhost")
	if err != nil {
		return nil, err
	}
	if len(list) != many {
		return nil, fmt.Errorf("%d sessions are listed, not %d", len(list), many)
	}
	if err := sleep(b.ctx, settle); err != nil {
		return nil, err
	}
	m, err := takeTurns(b.ctx, b.samples, warmUp, subject{command: b.pss.cmd("get-pssession", "--computer-name", "localhost")})
	if err != nil {
		return nil, err
	}
	rate := many / took.Seconds()
	return []result{
		{
			operation: fmt.Sprintf("%d sessions by one new-pssession", many), peer: "what must be reached",
			ours: fmt.Sprintf("%.0f /s", rate), theirs: fmt.Sprintf("%.0f /s", manyPerSec), ratio: rate / manyPerSec, limit: 1, atLeast: true,
		},
		latency(fmt.Sprintf("get-pssession of %d on localhost", many), "what must be reached", m[0], manyListed, 1),
	}, b.pss.removeAll()
}
