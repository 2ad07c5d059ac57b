package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// product is pss with a state folder of its own.
type product struct {
	b      *bench
	binary string
	home   string
	env    []string
}

func newProduct(b *bench, binary, home string) *product {
	return &product{b: b, binary: binary, home: home, env: append([]string{"PSS_HOME=" + home}, b.env...)}
}

// cmd is a pss command line.
func (p *product) cmd(args ...string) command {
	return command{env: p.env, argv: append([]string{p.binary}, args...)}
}

// session is what the benchmark needs to know of a session.
type session struct {
	ID           int    `json:"Id"`
	InstanceID   string `json:"InstanceId"`
	Name         string
	CommandState string
}

func (s *session) id() string { return strconv.Itoa(s.ID) }

// newSession makes a session.
func (p *product) newSession() (*session, error) {
	return p.one(p.cmd("new-pssession", "--computer-name", "localhost", "--output", "json"))
}

// ready makes sure that there is at least one session, and returns the first.
func (p *product) ready() (*session, error) {
	list, err := p.list(p.b.ctx, "get-pssession")
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		return &list[0], nil
	}
	return p.newSession()
}

// one returns the only session that c prints.
func (p *product) one(c command) (*session, error) {
	list, err := p.read(p.b.ctx, c)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%s: %d sessions, not one", c, len(list))
	}
	return &list[0], nil
}

// list returns the sessions that a get-pssession prints.
func (p *product) list(ctx context.Context, args ...string) ([]session, error) {
	return p.read(ctx, p.cmd(append(args, "--output", "json")...))
}

func (p *product) read(ctx context.Context, c command) ([]session, error) {
	text, err := c.output(ctx)
	if err != nil {
		return nil, err
	}
	var list []session
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	return list, nil
}

// remove removes sessions, many at a time.
func (p *product) remove(ctx context.Context, list []session) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].InstanceID
	}
	_, err := p.cmd("remove-pssession", "--instance-id", strings.Join(ids, ",")).time(ctx)
	return err
}

// removeAll removes every session there is.
func (p *product) removeAll() error {
	list, err := p.list(p.b.ctx, "get-pssession", "--computer-name", "localhost")
	if err != nil {
		return err
	}
	return p.remove(p.b.ctx, list)
}

// stop ends every process that works on our state folder: they carry it in their
// environment, the shells of the sessions included.
func (p *product) stop() error {
	if _, err := os.Stat(p.home); err != nil {
		return nil
	}
	// Without a session left, agent and host end at once when they are told to.
	if list, err := p.list(context.Background(), "get-pssession", "--computer-name", "localhost"); err == nil {
		_ = p.remove(context.Background(), list)
	}
	return p.end(os.Interrupt, os.Kill, os.Kill)
}

// end sends each process the signals, one after another while there still are some.
func (p *product) end(signals ...os.Signal) error {
	for _, sig := range signals {
		err := until(context.Background(), 5*time.Second, func() (bool, error) {
			pids := processesWith("PSS_HOME=" + p.home)
			for _, pid := range pids {
				if proc, err := os.FindProcess(pid); err == nil {
					_ = proc.Signal(sig)
				}
			}
			return len(pids) == 0, nil
		})
		if err == nil {
			return nil
		}
	}
	return errors.New("processes of pss are still there: " + p.home)
}

// hosts returns the process ids of the session hosts of all open sessions.
func (p *product) hosts(list []session) (map[string]int, error) {
	paths, err := filepath.Glob(filepath.Join(p.home, "s", "*", "facts.json"))
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for i := range list {
		wanted[list[i].InstanceID] = true
	}
	pids := map[string]int{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var facts struct {
			InstanceID string
			Pid        int
		}
		if err := json.Unmarshal(data, &facts); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if wanted[facts.InstanceID] {
			pids[facts.InstanceID] = facts.Pid
		}
	}
	if len(pids) != len(list) {
		return nil, fmt.Errorf("%d of %d sessions found in %s", len(pids), len(list), p.home)
	}
	return pids, nil
}
