package platform

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// BootID names this boot of the computer.
func BootID() string {
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d", tv.Sec, tv.Usec)
}

// BootTime is a clock that counts suspend.
func BootTime() time.Duration {
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Since(time.Unix(tv.Sec, int64(tv.Usec)*1000))
}

// MachineID names this computer among those that share a home folder.
func MachineID() string {
	if id, err := unix.Sysctl("kern.uuid"); err == nil {
		return id
	}
	h, _ := os.Hostname()
	return h
}

// StatProcess reads the state of process pid; os.ErrNotExist if there is none.
func StatProcess(pid int) (ProcStat, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return ProcStat{}, os.ErrNotExist
	}
	sid, err := unix.Getsid(pid)
	if err != nil {
		return ProcStat{}, os.ErrNotExist
	}
	st := ProcStat{State: 'R', PPID: int(k.Eproc.Ppid), Session: sid, Start: uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec)}
	if k.Eproc.Tdev > 0 {
		st.TTY = int(k.Eproc.Tdev)
	}
	return st, nil
}

// WatchProcess calls ended, once, when process pid is gone.
func WatchProcess(pid int, ended func()) (stop func(), err error) {
	start, err := StatProcess(pid)
	if err != nil {
		return nil, err
	}
	quit := make(chan struct{})
	go func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				if now, err := StatProcess(pid); err != nil || now.Start != start.Start {
					ended()
					return
				}
			}
		}
	}()
	return func() { close(quit) }, nil
}
