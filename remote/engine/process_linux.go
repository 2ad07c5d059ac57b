package engine

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"pss/remote/platform"
)

// childAttr gives the shell a session of its own and lets it end with us.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// adopt makes orphaned descendants our children, so that Close finds them.
func adopt() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// pipeName returns how /proc names an open pipe.
func pipeName(f *os.File) string {
	s, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	return s
}

// widen enlarges a pipe as far as the system lets us.
func widen(fd uintptr) {
	_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20)
}

type procStat struct {
	process
	state byte
	sid   int
}

// readStat returns what /proc says of a process.
func readStat(pid int) (procStat, bool) {
	st, err := platform.StatProcess(pid)
	return procStat{process{pid, st.Start}, st.State, st.Session}, err == nil
}

// same reports whether p is still the process that it was.
func same(p process) bool {
	s, ok := readStat(p.pid)
	return ok && s.process == p
}

// children returns the children of a process, of all its threads or of its main
// one only, to which the kernel gives the orphans.
func children(pid int, mainOnly bool) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	tasks := []string{strconv.Itoa(pid)}
	if !mainOnly {
		d, err := os.Open(dir)
		if err != nil {
			return nil
		}
		tasks, _ = d.Readdirnames(-1)
		_ = d.Close()
	}
	var pids []int
	for _, t := range tasks {
		b, err := os.ReadFile(dir + t + "/children")
		if err != nil {
			continue
		}
		for _, w := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(w); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// addShell makes pid one of the runspace's shells.
func (f *family) addShell(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sids[pid] = true
	if s, ok := readStat(pid); ok {
		f.shell[s.process] = ""
	}
}

// members returns all living processes of the runspace.
func (f *family) members() []process { return f.find(false, 0) }

// jobs returns the processes besides the shell: its descendants and the orphans.
// quick looks at no other place than where both normally are.
func (f *family) jobs(shell int, quick bool) []process {
	all := f.find(quick, shell)
	for i, p := range all {
		if p.pid == shell {
			return append(all[:i:i], all[i+1:]...)
		}
	}
	return all
}

// find walks from our own children down; what is below one of ours is ours.
func (f *family) find(quick bool, shell int) []process {
	f.mu.Lock()
	defer f.mu.Unlock()
	roots := children(os.Getpid(), quick)
	if quick && shell != 0 {
		roots = append(roots, shell)
	}
	var found []process
	visited := map[int]bool{}
	var walk func(pid int)
	walk = func(pid int) {
		if visited[pid] {
			return
		}
		visited[pid] = true
		s, ok := readStat(pid)
		if !ok {
			return
		}
		if s.state != 'Z' && s.state != 'X' {
			found = append(found, s.process)
		}
		if !f.seen[s.process] {
			f.seen[s.process] = true
		}
		for _, c := range children(pid, quick) {
			walk(c)
		}
	}
	for _, pid := range roots {
		if pid == shell || f.mine(pid) {
			walk(pid)
		}
	}
	f.forget(visited)
	return found
}

// forget drops what was not found again, so that the sets stay small.
func (f *family) forget(visited map[int]bool) {
	for p := range f.seen {
		if !visited[p.pid] && !same(p) {
			delete(f.seen, p)
		}
	}
	for p := range f.other {
		if !same(p) {
			delete(f.other, p)
		}
	}
}

// mine reports whether our own child pid belongs to the runspace.
func (f *family) mine(pid int) bool {
	s, ok := readStat(pid)
	if !ok {
		return false
	}
	if f.seen[s.process] || f.sids[s.sid] {
		return true
	}
	if f.other[s.process] {
		return false
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err == nil && platform.Marked(env, f.id) {
		return true
	}
	if s.state != 'Z' && len(env) > 0 && s.sid == ownSession {
		f.other[s.process] = true // a child of this program; it cannot become ours
	}
	return false
}

var ownSession, _ = unix.Getsid(0)

// reap takes the exit status of dead orphans of ours. The shells themselves are
// left to os/exec, and children of other parts of this program to those. It reports
// whether there are some of which it is not yet known whose they are.
func (f *family) reap() (again bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.dead
	f.dead = map[process]time.Time{}
	for _, pid := range children(os.Getpid(), false) {
		s, ok := readStat(pid)
		if !ok || s.state != 'Z' {
			continue
		}
		if _, direct := f.shell[s.process]; direct || f.sids[pid] {
			continue
		}
		if !f.seen[s.process] && !f.sids[s.sid] {
			since, known := before[s.process]
			if !known {
				since = time.Now()
			}
			if time.Since(since) < nobodys {
				f.dead[s.process], again = since, true
				continue
			}
		}
		var ws unix.WaitStatus
		_, _ = unix.Wait4(pid, &ws, unix.WNOHANG, nil)
		delete(f.seen, s.process)
	}
	return again
}

// posture says what a shell is doing.
type posture int

const (
	busy    posture = iota
	stopped         // by SIGSTOP
	waiting         // asleep in a read of its control pipe
	outside         // not asleep, but not within a command's redirections either
)

// look returns what the shell is doing. Within a command its standard input is
// the command's, so a control pipe there means that the command is over.
func (sh *shell) look() posture {
	s, ok := readStat(sh.pid)
	if !ok {
		return busy
	}
	if s.state == 'T' {
		return stopped
	}
	dir := "/proc/" + strconv.Itoa(sh.pid)
	if in, err := os.Readlink(dir + "/fd/0"); err != nil || in != sh.pipe || sh.pipe == "" {
		return busy
	}
	if s.state != 'S' {
		return outside
	}
	call, err := os.ReadFile(dir + "/syscall")
	if err != nil {
		if len(children(sh.pid, true)) == 0 {
			return waiting
		}
		return outside
	}
	if strings.HasPrefix(string(call), strconv.Itoa(unix.SYS_READ)+" 0x0 ") {
		return waiting
	}
	return outside
}

// forking reports whether the shell, or a child that is still a copy of it, is on
// its way to another program.
func (sh *shell) forking(fresh []process) bool {
	if s, ok := readStat(sh.pid); ok && s.state == 'R' {
		return true
	}
	own, _ := os.Readlink("/proc/" + strconv.Itoa(sh.pid) + "/exe")
	for _, p := range fresh {
		if exe, err := os.Readlink("/proc/" + strconv.Itoa(p.pid) + "/exe"); err == nil && exe == own {
			return true
		}
	}
	return false
}
