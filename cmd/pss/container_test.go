//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// unshared starts its arguments as the first process of a process namespace that has its
// own /proc and mounts, as that of a container has them.
var unshared = []string{"unshare", "--fork", "--kill-child", "--pid", "--mount-proc"}

// canContain reports whether namespaces can be made and entered.
func canContain() bool {
	if _, err := exec.LookPath("nsenter"); err != nil || os.Geteuid() != 0 {
		return false
	}
	return exec.Command(unshared[0], append(unshared[1:], "true")...).Run() == nil
}

// cmdContainer starts a command as the first process of a container, and waits until it
// says as pss host does that it takes requests: container NAME command… $NAME is the pid
// of that process, which gets the signals; NAME ends with it, and with its code.
func cmdContainer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: container NAME command…")
	}
	name := args[0]
	cmdBg(ts, false, append(append([]string{name, "-null"}, unshared...), args[1:]...))
	ready(ts, name)
	parent := ts.Getenv(name + "_pid")
	children, err := os.ReadFile(filepath.Join("/proc", parent, "task", parent, "children"))
	ts.Check(err)
	ts.Setenv(name, strings.TrimSpace(string(children)))
}

// cmdGone waits until processes of a container, whose pids stand in files, are there no
// more, not even as zombies: gone CONTAINER FILE…
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: gone CONTAINER FILE…")
	}
	proc := filepath.Join("/proc", ts.Getenv(args[0]), "root", "proc")
	for _, file := range args[1:] {
		pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
		ts.Check(err)
		cmdAppears(ts, true, []string{filepath.Join(proc, strconv.Itoa(pid))})
	}
	_, err := os.Stat(filepath.Join(proc, "1")) // the container itself must be there
	ts.Check(err)
}
