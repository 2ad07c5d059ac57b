//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pss/remote/api"
)

// byCmdlet runs the cmdlets.
type byCmdlet struct{ *party }

func (p byCmdlet) run(in io.Reader, args ...string) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := p.w.command(ctx, args...)
	cmd.Stdin = in
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err.Error(), -1
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (p byCmdlet) code(args ...string) int {
	_, code := p.run(nil, args...)
	return code
}

func (p byCmdlet) list() (all []seen, err error) {
	out, code := p.run(nil, "get-pssession", "--computer-name", p.computer, "--output", "json")
	if code != 0 {
		return nil, fmt.Errorf("exit code %d: %s", code, out)
	}
	return all, json.Unmarshal([]byte(out), &all)
}

func (p byCmdlet) create(name string, start *modelScript) (string, int) {
	args := []string{"new-pssession", "--computer-name", p.computer, "--name", name}
	var in io.Reader
	if start != nil {
		args = []string{"invoke-command", "--computer-name", p.computer, "--in-disconnected-session", "--session-name", name, "--script-block", start.text}
		if start.reads {
			args, in = append(args, "--keep-input-open"), strings.NewReader("")
		}
	}
	out, code := p.run(in, append(args, "--output", "instance-id")...)
	return strings.TrimSpace(out), code
}

func (p byCmdlet) connect(id string, force bool, mode api.OutputBufferingMode) int {
	args := []string{"connect-pssession", "--instance-id", id}
	if force {
		args = append(args, "--force")
	}
	if mode != "" {
		args = append(args, "--session-option", fmt.Sprintf(`{"OutputBufferingMode":%q}`, mode))
	}
	return p.code(args...)
}

func (p byCmdlet) disconnect(id string, idle *int64, mode api.OutputBufferingMode) int {
	args := []string{"disconnect-pssession", "--instance-id", id}
	if idle != nil {
		args = append(args, "--idle-timeout-sec", fmt.Sprintf("%dms", *idle))
	}
	if mode != "" {
		args = append(args, "--output-buffering-mode", string(mode))
	}
	return p.code(args...)
}

func (p byCmdlet) invoke(id string, script *modelScript) taking {
	return p.take(script.reads, "invoke-command", "--instance-id", id, "--script-block", script.text)
}

func (p byCmdlet) receive(id string, h how) taking {
	args := []string{"receive-pssession", "--instance-id", id}
	for name, on := range map[string]bool{"--replay": h.replay, "--peek": h.peek, "--no-wait": h.noWait} {
		if on {
			args = append(args, name)
		}
	}
	return p.take(false, args...)
}

func (p byCmdlet) send(id, text string, eof bool) int {
	args := []string{"send-pssessioninput", "--instance-id", id}
	if eof {
		args = append(args, "--eof")
	}
	_, code := p.run(strings.NewReader(text), args...)
	return code
}

func (p byCmdlet) stop(id string) int { return p.code("stop-pssession", "--instance-id", id) }

func (p byCmdlet) remove(id string, force bool) int {
	if force {
		return p.code("remove-pssession", "--instance-id", id, "--force")
	}
	return p.code("remove-pssession", "--instance-id", id)
}

// take starts a cmdlet that delivers output; with input, its standard input stays open.
func (p byCmdlet) take(input bool, args ...string) taking {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	c := &takingCmdlet{t: p.w.t, cmd: p.w.command(ctx, append(args, "--output", "ndjson")...), done: make(chan struct{}), cancel: cancel}
	c.cmd.Stdout = &c.out
	if input {
		if _, err := c.cmd.StdinPipe(); err != nil { // Wait closes it
			p.w.t.Error(err)
		}
	}
	if err := c.cmd.Start(); err != nil {
		p.w.t.Error(err)
		close(c.done)
		return c
	}
	go func() {
		_ = c.cmd.Wait() // its code is read from ProcessState
		close(c.done)
	}()
	return c
}

// takingCmdlet is a cmdlet that delivers output.
type takingCmdlet struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    safeBuffer
	done   chan struct{}
	cancel func()
}

func (c *takingCmdlet) records() []record {
	recs, _ := records(c.t, c.out.String())
	return recs
}

func (c *takingCmdlet) wait() (int, bool) {
	select {
	case <-c.done:
		return c.cmd.ProcessState.ExitCode(), true
	case <-time.After(2 * patience):
		return 0, false
	}
}

func (c *takingCmdlet) end() {
	c.cancel()
	<-c.done
}
