package sessionhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
	"pss/remote/spool"
)

// recover takes over the folder of a session whose process is gone: it repairs
// the spools, turns the facts to what is true now and serves what is left.
func (s *Session) recover() error {
	info, err := api.ReadFacts(filepath.Join(s.dir, api.FactsFile))
	if err != nil {
		return fmt.Errorf("facts of a dead session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pipelines := info.Pipelines
	info.Pipelines = nil
	s.info, s.idleSince = *info, time.Now()
	for _, f := range pipelines {
		if err := s.reopenLocked(f); err != nil {
			return err
		}
	}
	if s.info.Life == api.LifeOpen {
		s.loseLocked(platform.LostReason(platform.Life{BootID: info.BootID, Init: info.InitStart}))
	}
	for _, p := range s.pipelines {
		if !p.facts.Running() {
			p.tellLocked()
		}
	}
	s.signLocked()
	planted.Point("session-recover")
	go s.endOrphans()
	return s.saveLocked()
}

// endOrphans ends what the dead process's commands left running. The host does so
// too, when it is there; until it is done the engine's folder says so.
func (s *Session) endOrphans() {
	n, err := platform.EndOrphans(filepath.Join(s.dir, api.EngineDir))
	if n > 0 || err != nil {
		s.log.Warn("orphans ended", "processes", n, "error", err)
	}
}

// reopenLocked opens what is left of one pipeline.
func (s *Session) reopenLocked(f api.Pipeline) error {
	p := &pipeline{s: s, facts: f}
	sp, repair, err := spool.Open(s.pipelineDir(f.Number), s.spoolOptions(p))
	if errors.Is(err, os.ErrNotExist) {
		return nil // pruned just before the end
	}
	if err != nil {
		return err
	}
	if repair.Damaged() {
		s.log.Warn("spool repaired", "pipeline", f.Number, "repair", fmt.Sprintf("%+v", repair))
	}
	p.spool = sp
	s.pipelines = append(s.pipelines, p)
	s.next = max(s.next, f.Number)
	if f.Running() && !planted.On("end-not-recovered") {
		p.findEndLocked()
	}
	if !p.facts.Running() {
		return sp.Seal()
	}
	return nil
}

// findEndLocked takes the end of a command over that was spooled but had not
// reached the facts when the process ended. Only output of background children
// can follow it.
func (p *pipeline) findEndLocked() {
	const near = 64
	last := p.spool.Stats().Last
	err := p.spool.Each(last-min(near, last), func(rec *api.Record) bool {
		var end api.PipelineEnd
		if rec.Kind != api.KindEnd || json.Unmarshal(rec.Data, &end) != nil {
			return true
		}
		p.endedLocked(&end, rec.Time)
		return false
	})
	if err != nil {
		p.s.log.Warn("end not looked for", "pipeline", p.facts.Number, "error", err)
	}
}
