//go:build unix

package engine

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pss/remote/planted"
)

// ladder is where a Stop stands.
type ladder struct {
	timer *time.Timer
	rung  int
	told  map[process]bool // have got the interrupt
	since time.Time
}

func newLadder() *ladder {
	return &ladder{timer: time.NewTimer(0), told: map[process]bool{}, since: time.Now()}
}

const (
	rungPause = 300 * time.Millisecond
	// beginPause bounds how long an interrupt waits for the script to begin: a
	// shell that has not read its line yet would forget it.
	beginPause = 100 * time.Millisecond
	// birthPause bounds how long an interrupt waits for children that have not
	// become their programs: they still have the shell's handlers and would lose
	// it, and the shell would then go on with the next line.
	birthPause = 40 * time.Millisecond
	// secondPause is when processes are interrupted that were being born.
	secondPause = 80 * time.Millisecond
)

// climb sends the next signals.
//
// A bash whose child was killed goes on with the script's next line even though it
// was interrupted meanwhile, so a bash that does not answer to the interrupt is
// itself ended before its children are. SIGHUP lets it write its snapshot. Other
// shells do unwind, and keep their functions if their children are ended first.
func (c *command) climb(sh *shell) {
	l := c.ladder
	if l.rung == 0 && !c.begun() && time.Since(l.since) < beginPause {
		l.timer.Reset(time.Millisecond)
		return
	}
	fresh := c.fresh(sh)
	if l.rung == 0 && len(l.told) == 0 && time.Since(l.since) < birthPause && sh.forking(fresh) {
		l.timer.Reset(2 * time.Millisecond)
		return
	}
	bash := isBash(c.rs.d, sh)
	switch {
	case l.rung == 0:
		c.interrupt(sh, fresh)
		if time.Since(l.since) < secondPause {
			l.timer.Reset(secondPause)
			return
		}
	case l.rung == 1 && bash:
		sh.signal(syscall.SIGHUP)
	case l.rung == 1:
		signalAll(fresh, syscall.SIGTERM)
		sh.signal(syscall.SIGINT)
	case l.rung == 2 && !bash:
		signalAll(fresh, syscall.SIGKILL)
		sh.signal(syscall.SIGINT)
	default:
		sh.signal(syscall.SIGKILL)
	}
	sh.signal(syscall.SIGCONT)
	signalAll(fresh, syscall.SIGCONT)
	l.rung++
	l.timer.Reset(rungPause)
}

// interrupt sends SIGINT to the shell, once, and to the processes that have not
// got it. The newest are first: in a pipeline whose first part ended first, the
// last one would end by itself, and the shell would not know of an interrupt.
func (c *command) interrupt(sh *shell, fresh []process) {
	l := c.ladder
	if len(l.told) == 0 {
		sh.signal(syscall.SIGINT)
	}
	l.told[process{pid: sh.pid}] = true
	fresh = without(fresh, l.told)
	slices.SortFunc(fresh, func(a, b process) int {
		return cmp.Or(cmp.Compare(b.started, a.started), cmp.Compare(b.pid, a.pid))
	})
	signalAll(fresh, syscall.SIGINT)
	for _, p := range fresh {
		l.told[p] = true
	}
	sh.signal(syscall.SIGCONT)
	signalAll(fresh, syscall.SIGCONT)
}

// fresh returns the processes that the command started.
func (c *command) fresh(sh *shell) []process {
	if planted.On("engine-group-signal") {
		return c.rs.family.jobs(sh.pid, false)
	}
	return without(c.rs.family.jobs(sh.pid, false), c.old)
}

// clear ends what a stopped command left behind when its shell had to go.
func (c *command) clear() {
	start := time.Now()
	sig := syscall.SIGTERM
	for pause := time.Millisecond; time.Since(start) < 2*time.Second; pause = min(2*pause, 20*time.Millisecond) {
		fresh := without(c.rs.family.members(), c.old)
		if len(fresh) == 0 {
			return
		}
		if time.Since(start) > rungPause {
			sig = syscall.SIGKILL
		}
		signalAll(fresh, sig)
		time.Sleep(pause)
	}
}

// isBash reports whether the shell is bash, whatever its name.
func isBash(d *driver, sh *shell) bool {
	if d.name == "bash" {
		return true
	}
	exe, _ := os.Readlink("/proc/" + strconv.Itoa(sh.pid) + "/exe")
	return strings.Contains(exe[strings.LastIndexByte(exe, '/')+1:], "bash")
}
