package platform

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// endMarked ends the processes that were started with Marker=value in their
// environment, and what they started without leaving their session, as with env -i:
// by SIGTERM, after patience by SIGKILL. It returns how many there were, and those
// that are still there after limit.
func endMarked(value string, patience, limit time.Duration) (found int, left []processID) {
	known, told := map[processID]bool{}, map[processID]bool{}
	empty := 0
	for start, pause := time.Now(), time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left = marked(value, known)
		// A child whose parent ends while we look is seen at neither place.
		if empty++; len(left) > 0 {
			empty = 0
		}
		if empty == 2 || time.Since(start) > limit {
			return len(known), left
		}
		for _, p := range left {
			switch {
			case time.Since(start) > patience:
				p.signal(unix.SIGKILL)
			case !told[p]:
				told[p] = true
				p.signal(unix.SIGTERM)
				p.signal(unix.SIGCONT)
			}
		}
		time.Sleep(pause)
	}
}

// marked returns the living processes that belong to value or to known, and adds
// them to known.
func marked(value string, known map[processID]bool) []processID {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	names, _ := d.Readdirnames(-1)
	d.Close()
	all := map[int]ProcStat{}
	ours := map[int]bool{}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || pid == os.Getpid() {
			continue
		}
		st, err := StatProcess(pid)
		if err != nil || st.State == 'Z' || st.State == 'X' {
			continue
		}
		all[pid] = st
		ours[pid] = known[processID{pid, st.Start}] || hasMark(pid, value)
	}
	for more := true; more; {
		more = false
		for pid, st := range all {
			if !ours[pid] && ours[st.PPID] && all[st.PPID].Session == st.Session {
				ours[pid], more = true, true
			}
		}
	}
	var list []processID
	for pid, st := range all {
		if p := (processID{pid, st.Start}); ours[pid] {
			known[p] = true
			list = append(list, p)
		}
	}
	return list
}

func hasMark(pid int, value string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && Marked(env, value)
}

// signal sends sig to this very process: the descriptor is of whoever has the pid,
// and keeps meaning it.
func (p processID) signal(sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if st, err := StatProcess(p.pid); err == nil && st.Start == p.start {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}
