package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bench is one run: its folder, the things under measurement and how often.
type bench struct {
	ctx     context.Context
	dir     string // everything of this run lives below it
	env     []string
	pss     *product
	ssh     *sshServer
	far     *farComputer
	empty   string // the empty Go program
	samples int    // of a latency
	bulk    int    // of a throughput
	idle    int    // sessions whose memory is measured
}

// newBench makes the folder. Its path is short: sockets have to fit below it.
func newBench(ctx context.Context, o options) (*bench, error) {
	if _, err := os.Stat(o.pss); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "pssb")
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, dir: dir, samples: 41, bulk: 5, idle: 20}
	if o.quick {
		b.samples, b.bulk = 11, 2
	}
	home := filepath.Join(dir, "home")
	b.env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TERM=xterm", "LANG=C.UTF-8"}
	b.pss = newProduct(b, o.pss, filepath.Join(dir, "pss"))
	b.ssh = newSSHServer(b, filepath.Join(dir, "ssh"), home)
	b.far = newFarComputer(b, filepath.Join(dir, "far"))
	return b, os.Mkdir(home, 0o700)
}

// start brings the peers up.
func (b *bench) start() error {
	if err := b.buildEmpty(); err != nil {
		return fmt.Errorf("empty Go program: %w", err)
	}
	if err := b.ssh.start(); err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	return nil
}

// close ends everything that was started and removes the folder.
func (b *bench) close() error {
	return errors.Join(b.pss.stop(), b.far.stop(), b.ssh.stop(), os.RemoveAll(b.dir))
}

// buildEmpty compiles a program that does nothing, as pss is compiled: the floor
// of what starting a process of this language costs here and now.
func (b *bench) buildEmpty() error {
	src := filepath.Join(b.dir, "empty.go")
	if err := os.WriteFile(src, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	linked := filepath.Join(b.dir, "linked")
	cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", linked, src)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	// Copied in one piece, as scripts/build does it with pss: how a file came into
	// the page cache decides how fast it starts.
	program, err := os.ReadFile(linked)
	if err != nil {
		return err
	}
	b.empty = filepath.Join(b.dir, "empty")
	return os.WriteFile(b.empty, program, 0o700)
}
