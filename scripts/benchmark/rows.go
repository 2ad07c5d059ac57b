package main

import (
	"fmt"
	"time"
)

// row is a measurement. It may give several lines of the table, because one
// number of ours may have two peers.
type row struct {
	name    string // what --only is compared with
	measure func(*bench) ([]result, error)
}

// rows are all measurements, in the order of the table.
var rows = []row{
	{"get-pssession", measureGet},
	{"invoke-command true", measureInvoke},
	{"new-pssession", measureNew},
	{"connect-pssession", measureConnect},
	{"1 GiB live", measureLive},
	{"1 GiB spooled", measureSpooled},
	{"ssh transport: invoke-command true", measureWarm},
	{"ssh transport: first contact", measureCold},
	{"ssh transport: 1 GiB live", measureThrough},
	{"idle session memory", measureIdle},
	{"1000 sessions", measureMany},
}

const tmuxName = "s0"

// measureGet lists one session, against tmux behind ssh and against a program
// that does nothing.
func measureGet(b *bench) ([]result, error) {
	if _, err := b.pss.ready(); err != nil {
		return nil, err
	}
	if err := b.ssh.tmuxSession(tmuxName); err != nil {
		return nil, err
	}
	m, err := takeTurns(b.ctx, b.samples, warmUp,
		subject{command: b.pss.cmd("get-pssession")},
		subject{command: b.ssh.over(b.ssh.tmux(`list-sessions -F "#{session_name} #{session_attached}"`))},
		subject{command: command{env: b.env, argv: []string{b.empty}}})
	if err != nil {
		return nil, err
	}
	return []result{
		latency("get-pssession, agent warm", "ssh tmux list-sessions", m[0], m[1], 0.45),
		latency("get-pssession, agent warm", "empty Go program", m[0], m[2], 2.6),
	}, nil
}

// measureInvoke runs a command that does nothing in a session.
func measureInvoke(b *bench) ([]result, error) {
	s, err := b.pss.ready()
	if err != nil {
		return nil, err
	}
	m, err := takeTurns(b.ctx, b.samples, warmUp,
		subject{command: b.pss.cmd("invoke-command", "--session", s.id(), "true")},
		subject{command: b.ssh.over("true")})
	if err != nil {
		return nil, err
	}
	return []result{latency("invoke-command --session … true", "ssh true", m[0], m[1], 0.5)}, nil
}

// spareTime is enough for the host to have its spare session host ready again.
// The peer waits as long, so that both meet the same caches.
const spareTime = 400 * time.Millisecond

// measureNew makes sessions, which stay until all are made.
func measureNew(b *bench) ([]result, error) {
	if err := b.ssh.tmuxSession(tmuxName); err != nil {
		return nil, err
	}
	n := 0
	peer := subject{pause: spareTime}
	peer.before = func() error {
		n++
		peer.command.argv[len(peer.command.argv)-1] = b.ssh.tmux(fmt.Sprintf("new-session -d -s n%d sh", n))
		return nil
	}
	peer.command = b.ssh.over("")
	m, err := takeTurns(b.ctx, b.samples, warmUp,
		subject{command: b.pss.cmd("new-pssession", "--computer-name", "localhost"), pause: spareTime}, peer)
	if err != nil {
		return nil, err
	}
	for i := range n {
		if _, err := b.ssh.over(b.ssh.tmux(fmt.Sprintf("kill-session -t n%d", i+1))).time(b.ctx); err != nil {
			return nil, err
		}
	}
	return []result{latency("new-pssession", "ssh tmux new-session -d", m[0], m[1], 0.5)}, b.pss.removeAll()
}

// measureConnect takes up a session that was disconnected.
func measureConnect(b *bench) ([]result, error) {
	s, err := b.pss.newSession()
	if err != nil {
		return nil, err
	}
	if err := b.ssh.tmuxSession(tmuxName); err != nil {
		return nil, err
	}
	disconnect := b.pss.cmd("disconnect-pssession", "--id", s.id())
	m, err := takeTurns(b.ctx, b.samples, warmUp,
		subject{command: b.pss.cmd("connect-pssession", "--id", s.id()), before: func() error {
			_, err := disconnect.time(b.ctx)
			return err
		}},
		subject{command: b.ssh.over(b.ssh.tmux("attach -t "+tmuxName+` \; detach-client`), "-tt")})
	if err != nil {
		return nil, err
	}
	return []result{latency("connect-pssession", "ssh -tt tmux attach; detach", m[0], m[1], 0.4)}, nil
}
