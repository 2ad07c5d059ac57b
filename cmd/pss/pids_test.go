//go:build linux

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"strconv"
	"time"
)

// Pids are the processes of this computer. The entries of each below /proc, which
// filepath.Glob would read, cost more than all that is asked about them.
func Pids() (pids []int) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processesOf returns the processes of a home, those that have it in their environment,
// and what they were started as.
func processesOf(dir string) map[int]string {
	found := map[int]string{}
	for _, pid := range Pids() {
		if what, ok := processOf(pid, dir); ok && pid != os.Getpid() {
			found[pid] = what
		}
	}
	return found
}

func processOf(pid int, dir string) (what string, ok bool) {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00PSS_HOME="+dir+"\x00")) {
		return "", false
	}
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), true
}

// awaitNone waits until no process of the home is left that counts, and returns those
// that are left in the end. It looks at all processes again only when those have gone
// that it has found.
func awaitNone(dir string, limit time.Duration, counts func(what string) bool) map[int]string {
	deadline := time.Now().Add(limit)
	for {
		left := processesOf(dir)
		maps.DeleteFunc(left, func(_ int, what string) bool { return !counts(what) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		for pid := range left {
			for time.Now().Before(deadline) {
				if what, ok := processOf(pid, dir); !ok || !counts(what) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
}
