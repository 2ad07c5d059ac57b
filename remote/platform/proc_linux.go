package platform

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// BootID names this boot of the computer.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// BootTime is a clock that counts suspend and that nobody can set.
func BootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(ts.Nano())
}

// MachineID names this computer among those that share a home folder.
func MachineID() string {
	for _, f := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(f); err == nil {
			if id := strings.TrimSpace(string(b)); id != "" {
				return id
			}
		}
	}
	h, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return h
}

// StatProcess reads the state of process pid; os.ErrNotExist if there is none.
func StatProcess(pid int) (ProcStat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			err = os.ErrNotExist
		}
		return ProcStat{}, err
	}
	// The command's name, in parentheses, may itself hold blanks and parentheses.
	i := bytes.LastIndexByte(b, ')')
	f := strings.Fields(string(b[i+1:]))
	if i < 0 || len(f) < 20 {
		return ProcStat{}, fmt.Errorf("process %d: unknown stat format", pid)
	}
	st := ProcStat{State: f[0][0]}
	st.PPID, _ = strconv.Atoi(f[1])
	st.Session, _ = strconv.Atoi(f[3])
	st.TTY, _ = strconv.Atoi(f[4])
	st.Start, _ = strconv.ParseUint(f[19], 10, 64)
	return st, nil
}

// WatchProcess calls ended, once, when process pid is gone. It costs no time
// until then. The returned function ends the watch.
func WatchProcess(pid int, ended func()) (stop func(), err error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	go func() {
		err := raw.Read(func(fd uintptr) bool {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, _ := unix.Poll(p, 0)
			return n > 0
		})
		if err == nil {
			ended()
		}
		f.Close()
	}()
	return func() { f.Close() }, nil
}
