//go:build unix && !linux

package engine

import (
	"errors"
	"os"
	"syscall"
)

// Without /proc a runspace's processes are the groups of its shells: what made a
// session of its own is not found, and a shell is never looked at.

func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func adopt() {}

func pipeName(*os.File) string { return "" }

func widen(uintptr) {}

// same takes a pid for the process that it was: there is no cheap proof.
func same(process) bool { return true }

func (f *family) addShell(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sids[pid] = true
}

// members returns the groups that still have a process, as negative pids.
func (f *family) members() []process {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []process
	for pid := range f.sids {
		if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
			found = append(found, process{pid: -pid})
		}
	}
	return found
}

// jobs cannot tell a command's processes from earlier ones: the whole group gets
// the signal when a command is stopped, as a terminal would do it.
func (f *family) jobs(shell int, quick bool) []process {
	if quick {
		return nil
	}
	return f.members()
}

func (f *family) reap() (again bool) { return false }

type posture int

const (
	busy posture = iota
	stopped
	waiting
	outside
)

func (sh *shell) look() posture { return busy }

func (sh *shell) forking([]process) bool { return false }
