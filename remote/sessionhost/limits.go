package sessionhost

import (
	"fmt"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
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

// watchUsage breaks the session when it uses more than its configuration allows:
// the others on this computer live on.
func (s *Session) watchUsage() {
	info := s.snapshot()
	m, ok := s.rs.(meter)
	if !ok || planted.On("memory-not-watched") || info.MaxMemoryBytes == 0 && info.MaxProcesses == 0 {
		return
	}
	t := time.NewTicker(usagePace)
	defer t.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-s.rs.Done():
			return
		case <-t.C:
		}
		n, memory := m.Usage()
		reason := ""
		switch {
		case info.MaxMemoryBytes > 0 && memory > info.MaxMemoryBytes:
			reason = fmt.Sprintf("its processes used %d MB of memory; the session configuration allows %d MB", memory>>20, info.MaxMemoryBytes>>20)
		case info.MaxProcesses > 0 && n > info.MaxProcesses:
			reason = fmt.Sprintf("it had %d processes; the session configuration allows %d", n, info.MaxProcesses)
		}
		if reason != "" {
			s.endEngine(reason)
			return
		}
	}
}

// endEngine makes the session Broken and then ends its engine, which is alive.
func (s *Session) endEngine(reason string) {
	s.mu.Lock()
	if s.info.Life == api.LifeOpen {
		s.loseLocked(reason)
		s.noteLocked()
	}
	s.mu.Unlock()
	if err := s.rs.Close(); err != nil {
		s.log.Warn("engine did not close", "error", err)
	}
}
