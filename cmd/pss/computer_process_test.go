//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a process of a computer, or of the machine.
type Process struct {
	*exec.Cmd
	on *Computer // nil: of the machine
}

// Command is a process of a user that is not started yet, in their folder and with an
// environment that has nothing of ours. Its program is looked for on the computer.
func (c *Computer) Command(ctx context.Context, user string, args ...string) (*Process, error) {
	u, ok := c.users[user]
	if !ok {
		return nil, fmt.Errorf("%s has no user %s", c.Name, user)
	}
	cmd := exec.CommandContext(ctx, "/usr/bin/env", args...)
	cmd.Dir = u.Home
	path := "/usr/local/bin:/usr/bin:/bin"
	if u.UID == 0 {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	cmd.Env = []string{
		"PATH=" + path, "HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=" + u.Shell,
		"LC_ALL=C.UTF-8", "TZ=UTC", "GORACE=" + raceOptions,
	}
	if fault := os.Getenv("PSS_TEST_FAULT"); fault != "" {
		cmd.Env = append(cmd.Env, "PSS_TEST_FAULT="+fault)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Credential: &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: u.Groups},
	}
	return &Process{Cmd: cmd, on: c}, nil
}

// allSpaces are what makes a computer.
const allSpaces = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID

// enter calls f where a process that it starts is one of the computer's.
func (c *Computer) enter(f func() error) error {
	return elsewhere(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // or the whole process would move
			return err
		}
		if err := unix.Setns(c.fd, allSpaces); err != nil {
			return fmt.Errorf("entering %s: %w", c.Name, err)
		}
		unix.Umask(0o022)
		return f()
	})
}

// where calls f where the process has to be started.
func (p *Process) where(f func() error) error {
	if p.on == nil {
		return f()
	}
	return p.on.enter(f)
}

// Text is a file without a name that holds a text: a standard input that every user may
// open again.
func Text(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "stdin")
	_, werr := f.WriteString(text)
	_, serr := f.Seek(0, io.SeekStart)
	return f, errors.Join(werr, serr)
}

// Start starts the process on its computer.
func (p *Process) Start() error { return p.where(p.Cmd.Start) }

// Run starts the process and waits for its end.
func (p *Process) Run() error {
	if err := p.Start(); err != nil {
		return err
	}
	return p.Wait()
}

// Output is what the process prints.
func (p *Process) Output() ([]byte, error) {
	var out bytes.Buffer
	p.Stdout = &out
	err := p.Run()
	return out.Bytes(), err
}

// CombinedOutput is what the process prints to both streams.
func (p *Process) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	p.Stdout, p.Stderr = &out, &out
	err := p.Run()
	return out.Bytes(), err
}
