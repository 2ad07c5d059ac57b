package platform

import (
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pss/remote/planted"
)

const (
	// initStopTime bounds the end of an init: container engines kill everything ten
	// seconds after they have asked for it.
	initStopTime = 8 * time.Second
	// initPace is how often new children are looked for while everything is ended:
	// whoever ends leaves its own children to us.
	initPace = 20 * time.Millisecond
	// initPause is the shortest time between two starts of a program that is killed.
	initPause = time.Second
	// lockFD is the descriptor of an inherited lock.
	lockFD = 3
)

// IsInit reports whether this process is the first of its process namespace, as the
// program is that a container was made for. The kernel gives it every orphan, and
// kills all others when it ends.
func IsInit() bool { return os.Getpid() == 1 }

// initStart is the kernel's start time of the first process, 0 if that cannot be seen.
// A container that is started again has another one.
func initStart() uint64 {
	st, err := StatProcess(1)
	if err != nil {
		return 0
	}
	return st.Start
}

// initProcess is what falls to the first process, and nothing else: the program itself
// is a child, so that whatever ends here can be reaped, and nobody's exit status is
// taken from an os/exec that waits for it. All of it happens in one goroutine.
type initProcess struct {
	lock     *Lock // of the program, or nil
	log      *slog.Logger
	program  int // pid, 0 after its end
	began    time.Time
	code     int              // of the program's end
	killed   bool             // by a signal
	deadline time.Time        // of the end; zero before somebody wants one
	told     map[int]bool     // children that were asked to end: their pids are theirs until we reap them
	later    <-chan time.Time // when there is something to do, whatever happens
}

// RunInit runs this program again as a child of ours, with the same arguments, and is
// its init until both have ended: it reaps every orphan, starts the program again when
// something killed it, and on SIGTERM or SIGINT ends first the program and then all that
// became our children, so that these can write down what they have. The child inherits
// lock, if there is one, which nobody else gets between two lives of the program. RunInit
// returns the program's exit code.
func RunInit(lock *Lock, log *slog.Logger) (code int) {
	SetProcessName("pss-init")
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	p := &initProcess{lock: lock, log: log, told: map[int]bool{}}
	if !p.start() {
		return 1
	}
	for {
		select {
		case s := <-signals:
			if s == unix.SIGTERM || s == unix.SIGINT {
				p.stop()
			}
		case <-p.later:
		}
		switch alone := p.reap(); {
		case p.program != 0:
			p.insist()
		case p.again():
		case p.endChildren() || alone || planted.On("init-waits-for-nobody"):
			return p.code
		}
	}
}

// start starts the program, which is found by its open file.
func (p *initProcess) start() bool {
	files := []uintptr{0, 1, 2}
	if p.lock != nil {
		files = append(files, p.lock.f.Fd())
	}
	self, err := selfPath()
	if err == nil {
		p.began = time.Now()
		p.program, err = syscall.ForkExec(self, os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: files})
	}
	if err != nil {
		p.log.Error("not started", "error", err)
	}
	return err == nil
}

// again starts the program again when something killed it, and not when it ended by itself
// or was told to.
func (p *initProcess) again() bool {
	if !p.killed || !p.deadline.IsZero() {
		return false
	}
	if wait := initPause - time.Since(p.began); wait > 0 {
		p.later = time.After(wait)
		return true
	}
	p.log.Warn("killed, and started again", "code", p.code)
	return p.start()
}

// InheritedLock returns the lock of path if RunInit has given it to this process, or nil.
func InheritedLock(path string) *Lock {
	var mine, named unix.Stat_t
	if unix.Fstat(lockFD, &mine) != nil || unix.Stat(path, &named) != nil || mine.Dev != named.Dev || mine.Ino != named.Ino {
		return nil
	}
	unix.CloseOnExec(lockFD)
	return &Lock{os.NewFile(lockFD, path)}
}

// stop begins the end of everything with that of the program.
func (p *initProcess) stop() {
	p.setDeadline()
	if p.program != 0 {
		_ = unix.Kill(p.program, unix.SIGTERM)
	}
}

// insist kills a program that takes more than its half of the time to end.
func (p *initProcess) insist() {
	if p.deadline.IsZero() {
		return
	}
	p.later = time.After(initPace)
	if time.Until(p.deadline) < initStopTime/2 {
		_ = unix.Kill(p.program, unix.SIGKILL)
	}
}

func (p *initProcess) setDeadline() {
	if p.deadline.IsZero() {
		p.deadline = time.Now().Add(initStopTime)
	}
}

// reap takes the exit status of all children that have ended. It reports whether no
// child is left.
func (p *initProcess) reap() (alone bool) {
	who := -1
	if planted.On("init-reaps-its-program-only") {
		who = p.program
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(who, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return errors.Is(err, unix.ECHILD)
		case pid == 0:
			return false
		}
		delete(p.told, pid)
		if pid == p.program {
			p.program, p.killed, p.code = 0, status.Signaled(), status.ExitStatus()
			if p.killed {
				p.code = 128 + int(status.Signal())
			}
		}
	}
}

// endChildren asks each child that was not asked before to end. It reports whether
// nobody is waited for any longer.
func (p *initProcess) endChildren() (over bool) {
	p.setDeadline()
	p.later = time.After(initPace)
	if time.Now().After(p.deadline) {
		p.log.Warn("killed, because they did not end in time", "processes", len(p.told))
		return true
	}
	d, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || p.told[pid] {
			continue
		}
		if st, err := StatProcess(pid); err == nil && st.PPID == os.Getpid() && st.State != 'Z' {
			p.told[pid] = true
			_ = unix.Kill(pid, unix.SIGTERM)
			_ = unix.Kill(pid, unix.SIGCONT) // one that is stopped could not do anything
		}
	}
	return false
}
