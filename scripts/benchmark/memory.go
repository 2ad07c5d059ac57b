package main

import (
	"fmt"
	"time"
)

// idleLimit is what an idle session may cost, its shell included, in KiB.
const idleLimit = 3 << 10

// settle is how long a session must have been idle.
const settle = 5 * time.Second

// measureIdle makes sessions, leaves them alone and looks at the memory of their
// session hosts and shells: as they are at first, and after each ran a command.
func measureIdle(b *bench) ([]result, error) {
	if err := b.pss.removeAll(); err != nil {
		return nil, err
	}
	list := make([]session, b.idle)
	for i := range list {
		s, err := b.pss.newSession()
		if err != nil {
			return nil, err
		}
		list[i] = *s
	}
	fresh, err := b.idleSize(list)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if _, err := b.pss.cmd("invoke-command", "--session", list[i].id(), "true").time(b.ctx); err != nil {
			return nil, err
		}
	}
	used, err := b.idleSize(list)
	if err != nil {
		return nil, err
	}
	return []result{
		memory(fmt.Sprintf("idle session, mean of %d, new", b.idle), fresh),
		memory(fmt.Sprintf("idle session, mean of %d, after a command", b.idle), used),
	}, b.pss.removeAll()
}

// sizes are the mean proportional set sizes in KiB.
type sizes struct{ host, shell float64 }

// idleSize waits until the sessions have settled and returns their means.
func (b *bench) idleSize(list []session) (sizes, error) {
	if err := sleep(b.ctx, settle); err != nil {
		return sizes{}, err
	}
	hosts, err := b.pss.hosts(list)
	if err != nil {
		return sizes{}, err
	}
	var sum sizes
	for _, pid := range hosts {
		size, err := proportionalSize(pid)
		if err != nil {
			return sizes{}, err
		}
		sum.host += float64(size)
		shells := childrenOf(pid)
		if len(shells) == 0 {
			return sizes{}, fmt.Errorf("session host %d has no shell", pid)
		}
		for _, shell := range shells {
			if size, err = proportionalSize(shell); err != nil {
				return sizes{}, err
			}
			sum.shell += float64(size)
		}
	}
	n := float64(len(list))
	return sizes{sum.host / n, sum.shell / n}, nil
}
