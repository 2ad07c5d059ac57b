//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is what /proc says of one.
type process struct {
	parent int
	state  byte
	args   []string
}

// processTable returns every process but those that have ended.
func processTable() map[int]process {
	table := map[int]process{}
	for _, pid := range Pids() {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		// The name before them stands in brackets, and may hold some itself.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		table[pid] = process{parent: parent, state: fields[0][0], args: args}
	}
	return table
}

// Connections returns the processes of sshd that serve one connection each, and
// with all what runs below them, too.
func (v *SSHServer) Connections(all bool) (pids []int) {
	table := processTable()
	below := func(pid int) bool {
		for pid = table[pid].parent; pid > 1; pid = table[pid].parent {
			if pid == v.cmd.Process.Pid {
				return true
			}
		}
		return false
	}
	for pid, p := range table {
		// They write into their arguments what they do: sshd: root@notty.
		if (all || strings.HasPrefix(p.args[0], "sshd")) && below(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Clients returns the ssh processes that were started with our configuration, by
// name of the server that they lead to, or all with "". A ControlMaster that stays in
// the background writes over its arguments: it is not among them, and ends with the
// server.
func (s *SSHServers) Clients(name string) (pids []int) {
	for pid, p := range processTable() {
		i := slices.Index(p.args, s.config())
		if i < 2 || p.args[i-1] != "-F" || filepath.Base(p.args[0]) != "ssh" {
			continue
		}
		if name == "" || destination(p.args[1:]) == name {
			pids = append(pids, pid)
		}
	}
	return pids
}

// destination returns the host of an ssh command line: ops@server01 and
// ssh://ops@server01:22 are server01.
func destination(args []string) string {
	const valued = "BbcDEeFIiJLlmOoPpQRSWw"
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" && i+1 < len(args) {
			return hostOf(args[i+1])
		}
		if !strings.HasPrefix(arg, "-") {
			return hostOf(arg)
		}
		if at := strings.IndexAny(arg[1:], valued); at == len(arg)-2 {
			i++ // its value is the next argument
		}
	}
	return ""
}

func hostOf(destination string) string {
	host, uri := strings.CutPrefix(destination, "ssh://")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if uri {
		host, _, _ = strings.Cut(host, ":")
	}
	return host
}

// SignalAll sends a signal and waits until it has done what it does.
func SignalAll(pids []int, sig syscall.Signal) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			return err
		}
	}
	for deadline := time.Now().Add(stepTime); ; time.Sleep(2 * time.Millisecond) {
		table, open := processTable(), 0
		for _, pid := range pids {
			p, runs := table[pid]
			stopped := p.state == 'T'
			if runs && (sig == syscall.SIGKILL || stopped != (sig == syscall.SIGSTOP)) {
				open++
			}
		}
		if open == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%v has not done its work on %d processes", sig, open)
		}
	}
}

// Calm undoes what was done to networks and processes.
func (s *SSHServers) Calm() {
	pids := s.Clients("")
	for _, v := range s.servers {
		pids = append(pids, v.Connections(false)...)
		if v.Net != nil {
			_ = v.Net.Restore()
			v.Net.Flow()
		}
	}
	_ = SignalAll(pids, syscall.SIGCONT)
}

// End stops the servers with everything that runs below them, and returns what
// is wrong: every client must have ended by then, or soon.
func (s *SSHServers) End() (bad []string) {
	for deadline := time.Now().Add(10 * time.Second); len(s.Clients("")) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			table, left := processTable(), s.Clients("")
			for _, pid := range left {
				bad = append(bad, fmt.Sprintf("process %d: %s", pid, strings.Join(table[pid].args, " ")))
			}
			_ = SignalAll(left, syscall.SIGKILL)
			break
		}
	}
	for _, v := range s.servers {
		if v.Net != nil {
			v.Net.close()
		}
		v.stop()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		bad = append(bad, err.Error())
	}
	return bad
}

// stop kills what runs below sshd first, so that it takes note of their end, and
// then sshd.
func (v *SSHServer) stop() {
	for pids := v.Connections(true); len(pids) > 0; pids = v.Connections(true) {
		if SignalAll(pids, syscall.SIGKILL) != nil {
			break
		}
	}
	_ = v.cmd.Process.Kill()
	<-v.done
}
