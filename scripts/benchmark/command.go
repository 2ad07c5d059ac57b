package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// commandTimeout bounds every single command.
const commandTimeout = 2 * time.Minute

// command is a command line with its environment.
type command struct {
	env  []string
	argv []string
}

// String shows the command line in messages.
func (c command) String() string { return strings.Join(c.argv, " ") }

// run runs the command and returns the wall time from its start to its exit.
// Standard input is /dev/null. Standard error goes to a file and not to a pipe:
// waiting for a pipe would also wait for a daemon that the command leaves behind.
func (c command) run(ctx context.Context, stdout *os.File) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	stderr, err := os.CreateTemp("", "pssb-err")
	if err != nil {
		return 0, err
	}
	defer os.Remove(stderr.Name())
	defer stderr.Close()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, stdout, stderr
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	if err != nil {
		said := make([]byte, 2000)
		n, _ := stderr.ReadAt(said, 0)
		return 0, fmt.Errorf("%s: %w: %s", c, err, bytes.TrimSpace(said[:n]))
	}
	return took, nil
}

// time runs the command with its output on /dev/null.
func (c command) time(ctx context.Context) (time.Duration, error) { return c.run(ctx, nil) }

// output runs the command and returns what it printed.
func (c command) output(ctx context.Context) (string, error) {
	f, err := os.CreateTemp("", "pssb-out")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := c.run(ctx, f); err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	data, err := io.ReadAll(f)
	return string(data), err
}

// count runs the command and returns how many bytes it printed.
func (c command) count(ctx context.Context) (int64, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	counted := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, r)
		counted <- n
	}()
	_, err = c.run(ctx, w)
	w.Close()
	return <-counted, err
}
