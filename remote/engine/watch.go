//go:build unix

package engine

import "time"

// The shell is looked at while a command runs, often at first.
const (
	watchFirst  = 200 * time.Millisecond
	watchLater  = time.Second
	watchAgain  = 25 * time.Millisecond
	outsideLong = time.Second
)

// How far we went with a shell that is done with its command but gives no mark.
const (
	trusted   = iota
	suspected // was seen once: its mark may be on the way
	nudged    // was asked for a prompt
	dismissed // was asked to leave
)

// check looks at the shell. No setting of the user's may hang a command: a shell
// that sits at its prompt without having shown ours is asked for it, then to
// leave with the command's code, and is killed if it does not.
func (c *command) check(sh *shell, number string) {
	c.ticks++
	next := watchFirst
	if c.ticks > 5 {
		next = watchLater
	}
	if c.in != nil {
		c.in.settle()
	}
	switch sh.look() {
	case busy:
		c.patience = min(c.patience, trusted)
		c.halted = false
		c.rs.family.jobs(sh.pid, true) // so that orphans are known when they end
	case stopped:
		if !c.halted {
			c.halted = true
			c.warn("the shell was stopped by a signal (SIGSTOP) and waits for SIGCONT; Ctrl-C ends the command")
		}
	case outside:
		// It may be between our words for a moment, or in a loop of its own.
		if c.patience == trusted {
			c.patience, next = suspected, outsideLong
		} else {
			next = c.dismiss(sh)
		}
	case waiting:
		switch c.patience {
		case trusted:
			c.patience, next = suspected, watchAgain
		case suspected:
			c.nudge(sh, number)
		default:
			next = c.dismiss(sh)
		}
	}
	c.watch.Reset(next)
}

// nudge asks for a prompt.
func (c *command) nudge(sh *shell, number string) {
	c.patience = nudged
	_ = sh.send(c.rs.d.nudgeLine(number, c.rs.spec.Dir))
}

// dismiss asks the shell to leave, and kills it when it was asked before.
func (c *command) dismiss(sh *shell) time.Duration {
	if c.patience == dismissed {
		sh.signal(9)
		return watchLater
	}
	c.patience = dismissed
	_ = sh.send("\n" + c.rs.d.run + " exit ${__rc:-$?}\n")
	_ = sh.control.Close()
	return watchLater
}
