package sessionhost

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// usagePace is how often memory and processes are looked at while there is a limit.
const usagePace = 500 * time.Millisecond

// commandQuotaLocked refuses a command while as many as the configuration allows
// are kept for their output.
func (s *Session) commandQuotaLocked() error {
	held := 0
	for _, p := range s.pipelines {
		if st := p.spool.Stats(); st.Last > st.Acked {
			held++
		}
	}
	if s.info.MaxCommands == 0 || held < s.info.MaxCommands {
		return nil
	}
	return api.Errorf(api.CodeQuota, "session %s keeps the output of %d commands that nobody has received, as many as its configuration allows", s.info.Name, held).
		WithID("MaxConcurrentCommandsPerShell").On(s.info.Name).
		Hint("receive it: pss receive-pssession --instance-id %s", s.info.InstanceID)
}

// limitLocked is how much unread output a command may leave: the configuration's
// size, or less when the user's quota is nearly used up.
func (s *Session) limitLocked() int64 {
	if s.room > 0 {
		return min(s.room, s.info.OutputBufferSize)
	}
	return s.info.OutputBufferSize
}

// meter is an engine that can tell what its processes use.
type meter interface {
	// Usage returns the number of processes and the bytes of memory that are theirs
	// alone.
	Usage() (processes int, memory int64)
}

// usage watches what a session uses.
type usage struct {
	s            *Session
	meter        meter
	maxMemory    int64
	maxProcesses int
	group        *platform.Group // nil where there is none
	inGroup      int             // the shell that was taken into it last
}

// newUsage returns nil if the session has no limit. Where the system has delegated a
// control group to us, the kernel holds the session to its limits between our looks.
func (s *Session) newUsage() *usage {
	info := s.snapshot()
	m, ok := s.rs.(meter)
	if !ok || planted.On("memory-not-watched") || info.MaxMemoryBytes == 0 && info.MaxProcesses == 0 {
		return nil
	}
	u := &usage{s: s, meter: m, maxMemory: info.MaxMemoryBytes, maxProcesses: info.MaxProcesses}
	var err error
	if u.group, err = platform.NewGroup(filepath.Base(s.dir), u.maxMemory, u.maxProcesses); err != nil {
		s.log.Debug("the session's processes are watched", "reason", err)
	}
	return u
}

// watch breaks the session when it uses more than its configuration allows: the others
// on this computer live on.
func (u *usage) watch() {
	t := time.NewTicker(usagePace)
	defer t.Stop()
	for {
		if reason := u.look(); reason != "" {
			u.s.endEngine(reason)
			return
		}
		select {
		case <-u.s.quit:
			return
		case <-u.s.rs.Done():
			// One that the kernel killed for its memory ended for that, not by itself.
			if reason := u.look(); reason != "" {
				u.s.blame(reason)
			}
			return
		case <-t.C:
		}
	}
}

// close removes the control group, in which no process is left.
func (u *usage) close() {
	if u == nil || u.group == nil {
		return
	}
	if err := u.group.Remove(); err != nil {
		u.s.log.Warn("control group remains", "error", err)
	}
}

// look returns why the session cannot go on, or nothing.
func (u *usage) look() string {
	n, memory := u.meter.Usage()
	overMemory := u.maxMemory > 0 && memory > u.maxMemory
	overProcesses := u.maxProcesses > 0 && n > u.maxProcesses
	used, had := fmt.Sprintf("%d MB", memory>>20), strconv.Itoa(n)
	if u.group != nil {
		if pid := u.s.rs.Pid(); pid != 0 && pid != u.inGroup && u.group.Add(pid) == nil {
			u.inGroup = pid
		}
		if m, p := u.group.Exceeded(); m && !overMemory {
			overMemory, used = true, "too much"
		} else if p && !overProcesses {
			overProcesses, had = true, "too many"
		}
	}
	switch {
	case overMemory:
		return fmt.Sprintf("its processes used %s of memory; the session configuration allows %d MB", used, u.maxMemory>>20)
	case overProcesses:
		return fmt.Sprintf("it had %s processes; the session configuration allows %d", had, u.maxProcesses)
	}
	return ""
}

// blame replaces the reason of a session that is Broken already by the one behind it.
func (s *Session) blame(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakLocked(reason)
	s.info.Reason = reason
	s.noteLocked()
}

// endEngine makes the session Broken and then ends its engine, which is alive.
func (s *Session) endEngine(reason string) {
	s.mu.Lock()
	s.breakLocked(reason)
	s.mu.Unlock()
	s.closeEngine()
}
