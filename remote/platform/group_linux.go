package platform

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where the system keeps its control groups (cgroup v2).
const cgroupRoot = "/sys/fs/cgroup"

// Group is a control group of its own for the processes of one session. The kernel
// holds them to its limits.
type Group struct{ dir string }

// NewGroup makes a group for at most so many bytes of memory and processes; 0 is no
// limit. It takes a place beside our own group, below one that whoever manages the
// system has delegated to us. ErrNoGroup says that there is none.
func NewGroup(name string, memory int64, processes int) (*Group, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNoGroup, err)
	}
	return newGroup(cgroupRoot, string(own), isDelegated, name, memory, processes)
}

// isDelegated asks for the mark that systemd puts on a group that it leaves alone.
func isDelegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

func newGroup(root, own string, delegated func(string) bool, name string, memory int64, processes int) (*Group, error) {
	_, path, ok := strings.Cut("\n"+own, "\n0::/")
	path, _, _ = strings.Cut(path, "\n")
	if !ok || path == "" {
		return nil, fmt.Errorf("%w: we are in none", ErrNoGroup)
	}
	parent := filepath.Dir(filepath.Join(root, path))
	if !delegated(parent) {
		return nil, fmt.Errorf("%w: %s is not delegated", ErrNoGroup, parent)
	}
	has, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
	if fields := strings.Fields(string(has)); err != nil || !slices.Contains(fields, "memory") || !slices.Contains(fields, "pids") {
		return nil, fmt.Errorf("%w: %s controls neither memory nor processes", ErrNoGroup, parent)
	}
	g := &Group{filepath.Join(parent, "pss-"+name)}
	if err := g.set(parent, memory, processes); err != nil {
		_ = os.Remove(g.dir)
		return nil, fmt.Errorf("%w: %v", ErrNoGroup, err)
	}
	return g, nil
}

// set makes the group's folder and writes its limits.
func (g *Group) set(parent string, memory int64, processes int) error {
	if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory +pids"), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(g.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	limits := map[string]int64{"memory.max": memory, "pids.max": int64(processes)}
	for file, n := range limits {
		if n > 0 {
			if err := os.WriteFile(filepath.Join(g.dir, file), strconv.AppendInt(nil, n, 10), 0o600); err != nil {
				return err
			}
		}
	}
	// One process that exceeds the limit takes the session with it, not only itself.
	return os.WriteFile(filepath.Join(g.dir, "memory.oom.group"), []byte("1"), 0o600)
}

// Add takes process pid, with what it starts from now on, into the group.
func (g *Group) Add(pid int) error {
	return os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600)
}

// Exceeded reports whether the kernel had to enforce one of the limits.
func (g *Group) Exceeded() (memory, processes bool) {
	return g.event("memory.events", "oom_kill"), g.event("pids.events", "max")
}

// event reports whether the counter of that name in file has counted.
func (g *Group) event(file, name string) bool {
	text, _ := os.ReadFile(filepath.Join(g.dir, file))
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == name {
			return string(f[1]) != "0"
		}
	}
	return false
}

// Remove deletes the group, once no process is in it.
func (g *Group) Remove() error { return os.Remove(g.dir) }
