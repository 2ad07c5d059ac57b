package main

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// farComputer is pss behind an OpenSSH server of its own, and the pss that reaches it
// there. Its peer is the same server's ssh.
type farComputer struct {
	b    *bench
	dir  string
	ssh  *sshServer // nil while it is not needed
	near *product
	far  *product // its commands run there without ssh: for what is not measured
}

func newFarComputer(b *bench, dir string) *farComputer {
	return &farComputer{
		b: b, dir: dir,
		near: newProduct(b, b.pss.binary, filepath.Join(dir, "near")),
		far:  newProduct(b, b.pss.binary, filepath.Join(dir, "state")),
	}
}

// start starts the server, if it does not run. Its shells find pss and its state.
func (f *farComputer) start() error {
	if f.ssh != nil {
		return nil
	}
	bin := filepath.Join(f.dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return err
	}
	if err := os.Symlink(f.b.pss.binary, filepath.Join(bin, "pss")); err != nil {
		return err
	}
	f.ssh = newSSHServer(f.b, filepath.Join(f.dir, "ssh"), f.b.ssh.home)
	if err := f.emptyAccount(); err != nil {
		return err
	}
	f.ssh.env = []string{"PSS_HOME=" + f.far.home, "PATH=" + bin + ":/usr/bin:/bin"}
	return f.ssh.start()
}

// emptyAccount gives the account on the computer an empty home, for as much as may be
// mounted: the peer's shells have one, and a host asks a login shell for PATH.
func (f *farComputer) emptyAccount() error {
	if os.Geteuid() != 0 || exec.Command("unshare", "--mount", "true").Run() != nil {
		return nil
	}
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if a := strings.Split(line, ":"); len(a) == 7 && a[0] == me.Username {
			a[5] = f.ssh.home
			lines[i] = strings.Join(a, ":")
		}
	}
	f.ssh.passwd = filepath.Join(f.dir, "passwd")
	return os.WriteFile(f.ssh.passwd, []byte(strings.Join(lines, "\n")), 0o644)
}

func (f *farComputer) stop() error {
	if f.ssh == nil {
		return nil
	}
	return errors.Join(f.near.end(os.Kill, os.Kill), f.far.stop(), f.ssh.stop())
}

// over is a pss command line that reaches the computer through ssh, which gets the
// same options as the peer.
func (f *farComputer) over(cipher, cmdlet string, args ...string) command {
	argv := []string{
		cmdlet, "--host-name", f.ssh.user + "@127.0.0.1", "--port", strconv.Itoa(f.ssh.port),
		"--key-file-path", f.ssh.path("id"), "--options", strings.Join(f.ssh.options(cipher), ","),
	}
	return f.near.cmd(append(argv, args...)...)
}

// session makes a session there.
func (f *farComputer) session(cipher string) (*session, error) {
	if err := f.start(); err != nil {
		return nil, err
	}
	return f.near.one(f.over(cipher, "new-pssession", "--output", "json"))
}

// measureWarm runs a command that does nothing over an ssh that is connected.
func measureWarm(b *bench) ([]result, error) {
	s, err := b.far.session("")
	if err != nil {
		return nil, err
	}
	m, err := takeTurns(b.ctx, b.samples, warmUp,
		subject{command: b.far.near.cmd("invoke-command", "--session", s.id(), "true")},
		subject{command: b.far.ssh.over("true")})
	if err != nil {
		return nil, err
	}
	return []result{latency("invoke-command --session … true over ssh", "ssh true, ControlMaster", m[0], m[1], 0.6)}, nil
}

// measureThrough carries what a command prints through ssh, with ssh's own choice of
// a cipher and with a fast one.
func measureThrough(b *bench) ([]result, error) {
	var results []result
	for _, cipher := range []string{"", bulkCipher} {
		s, err := b.far.session(cipher)
		if err != nil {
			return nil, err
		}
		ours := b.far.near.cmd("invoke-command", "--session", s.id(), printBulk)
		peer := b.far.ssh.overCipher(cipher, printBulk)
		if err := allArrives(b, ours, peer); err != nil {
			return nil, err
		}
		m, err := takeTurns(b.ctx, b.bulk, 0, subject{command: ours}, subject{command: peer})
		if err != nil {
			return nil, err
		}
		name := strings.TrimSpace("ssh " + cipher)
		results = append(results, throughput("1 GiB printed by a command over ssh", name, m[0], m[1], 0.6))
	}
	return results, nil
}

// calm is the pause ahead of a sample whose processes were just made or killed.
const calm = 300 * time.Millisecond

// measureCold runs a command on a computer where nothing of pss runs, and nothing
// runs here: agent, ssh, host, session host and shell are started for it. Beside it,
// for information, what remains of that when only the ssh has to be made, and how
// long the start files of the account that runs this would take (see emptyAccount).
func measureCold(b *bench) ([]result, error) {
	f := b.far
	if err := f.start(); err != nil {
		return nil, err
	}
	ours := f.over("", "invoke-command", "--script-block", "true")
	peer := subject{command: f.ssh.alone("true"), pause: calm}
	cases := []struct {
		operation string
		limit     float64
		before    func() error
	}{
		{"first contact: invoke-command --host-name … true", 1.5, f.nothingRuns},
		{"the same, agent and host run, ssh does not", 0, func() error { return f.noSSH(ours) }},
	}
	var results []result
	for _, c := range cases {
		m, err := takeTurns(b.ctx, b.samples, 2, subject{command: ours, before: c.before, pause: calm}, peer)
		if err != nil {
			return nil, err
		}
		results = append(results, latency(c.operation, "ssh true, new connection", m[0], m[1], c.limit))
	}
	profile, err := b.loginShell()
	if err != nil {
		return nil, err
	}
	m, err := takeTurns(b.ctx, b.samples, 2, subject{command: profile}, peer)
	if err != nil {
		return nil, err
	}
	return append(results, latency("for comparison: a login shell with this account's start files", "ssh true, new connection", m[0], m[1], 0)), nil
}

// loginShell is how a host asks for the PATH of the account when it starts.
func (b *bench) loginShell() (command, error) {
	u, err := user.Current()
	if err != nil {
		return command{}, err
	}
	return command{env: []string{"HOME=" + u.HomeDir, "PATH=/usr/bin:/bin"}, argv: []string{"bash", "-lc", "true"}}, nil
}

// nothingRuns ends pss on both sides and forgets what it knew.
func (f *farComputer) nothingRuns() error {
	return errors.Join(
		f.endSSH(), f.near.end(os.Kill, os.Kill), f.far.end(os.Kill, os.Kill),
		os.RemoveAll(f.near.home), os.RemoveAll(f.far.home),
	)
}

// noSSH ends the ssh between an agent and a host that run.
func (f *farComputer) noSSH(run command) error {
	if _, err := run.time(f.b.ctx); err != nil {
		return err
	}
	return f.endSSH()
}

// endSSH ends every ssh of the agent.
func (f *farComputer) endSSH() error {
	for _, agent := range processesWith("PSS_HOME=" + f.near.home) {
		for _, pid := range childrenOf(agent) {
			if nameOf(pid) != "ssh" {
				continue
			}
			p, err := os.FindProcess(pid)
			if err == nil {
				err = p.Kill()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
