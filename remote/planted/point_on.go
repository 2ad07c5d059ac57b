//go:build pss_planted && linux

package planted

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// trap is what PSS_TEST_POINT says: "FOLDER NAME N ACTION".
type trap struct {
	dir, name, action string
	n                 int

	mu     sync.Mutex // guards what follows
	passed int        // as far as this process knows
	engine func() int
}

var point = readTrap(os.Getenv("PSS_TEST_POINT"))

func readTrap(text string) *trap {
	f := strings.Fields(text)
	if len(f) != 4 {
		return &trap{}
	}
	n, _ := strconv.Atoi(f[2])
	return &trap{dir: f[0], name: f[1], n: n, action: f[3]}
}

// Point does the action if this is the point that the test named, and the Nth time
// that any process passes it. Each pass makes a file in the folder; without the
// folder nothing happens any more.
func Point(name string) {
	if name == point.name && point.pass() {
		point.act()
	}
}

// Engine tells whose death the action ENGINE is: the process with this pid.
func Engine(pid func() int) {
	point.mu.Lock()
	defer point.mu.Unlock()
	point.engine = pid
}

// pass counts and reports whether this is the Nth pass.
func (t *trap) pass() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.passed < t.n {
		t.passed++
		f, err := os.OpenFile(filepath.Join(t.dir, strconv.Itoa(t.passed)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			f.Close()
			return t.passed == t.n
		}
		if !os.IsExist(err) {
			return false
		}
	}
	return false
}

// act tells the test in the file "fired" and does it. A process that stops says so
// first and goes on from here when somebody continues it.
func (t *trap) act() {
	role := "cmdlet"
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	pid := os.Getpid()
	path := filepath.Join(t.dir, "fired")
	if os.WriteFile(path+".new", fmt.Appendf(nil, "%d %s", pid, role), 0o600) != nil || os.Rename(path+".new", path) != nil {
		return
	}
	switch t.action {
	case "KILL":
		_ = syscall.Kill(pid, syscall.SIGKILL)
		select {}
	case "STOP":
		runtime.LockOSThread() // the signal is for this thread: nothing behind it runs before it is continued
		_ = syscall.Tgkill(pid, syscall.Gettid(), syscall.SIGSTOP)
		runtime.UnlockOSThread()
	case "ENGINE":
		if shell := t.engine(); shell > 0 {
			_ = syscall.Kill(shell, syscall.SIGKILL)
		}
	}
}
