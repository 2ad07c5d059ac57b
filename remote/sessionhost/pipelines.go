package sessionhost

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"pss/remote/api"
	"pss/remote/engine"
	"pss/remote/planted"
	"pss/remote/spool"
)

// keepFinished is how many finished pipelines whose output was received are
// kept for a replay.
const keepFinished = 8

// keepUsed is how many folders of pipelines that are over wait for the next one.
const keepUsed = 2

// pipeline is one command of the session. Its fields are guarded by the
// session's mutex, except spool and input, which guard themselves.
type pipeline struct {
	s     *Session
	facts api.Pipeline // without the spool's numbers
	spool *spool.Spool
	input *inputQueue            // nil without standard input
	live  engine.Pipeline        // nil before it began and after a recovery
	full  *api.Error             // why output could not be kept
	near  bool                   // the warning of a nearly full buffer was given
	taker *stream                // the attachment that takes its output, or nil
	feed  atomic.Pointer[stream] // the attachment that sends its input, or nil
}

func (s *Session) pipelineDir(number uint32) string {
	return filepath.Join(s.dir, api.PipelinesDir, strconv.FormatUint(uint64(number), 10))
}

// start runs cmd as pipeline id, once: a repeated request finds the first one.
func (s *Session) start(epoch uint64, id string, cmd *api.Command) (*pipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.findLocked(id)
	if s.info.Life == api.LifeOpen {
		if err := s.epochLocked(epoch); err != nil {
			return nil, err
		}
	} else if known == nil { // what a command printed before its session was lost is still delivered
		return nil, s.openLocked()
	}
	return s.startLocked(id, cmd)
}

func (s *Session) startLocked(id string, cmd *api.Command) (*pipeline, error) {
	digest := digestOf(cmd)
	if p := s.findLocked(id); p != nil && !planted.On("retry-runs-twice") {
		if p.facts.Digest != digest {
			return nil, api.Errorf(api.CodeConflict, "pipeline %s exists with another command", id)
		}
		return p, nil
	}
	if err := s.forgottenLocked(id); err != nil {
		return nil, err
	}
	if r := s.runningLocked(); r != nil {
		return nil, api.Errorf(api.CodeInvalidAvail, "session %s (%s) runs a command already: %s", s.info.Name, s.info.InstanceID, firstLine(r.facts.Command)).
			WithID("InvokeCommandCommandInvalidSessionAvailability").On(s.info.Name).
			Hint("wait for it (pss receive-pssession --instance-id %s), or use another session", s.info.InstanceID)
	}
	if err := s.commandQuotaLocked(); err != nil {
		return nil, err
	}
	p, err := s.createLocked(id, digest, cmd)
	if err != nil {
		return nil, err
	}
	planted.Point("session-start-saved")
	if err := p.beginLocked(cmd); err != nil {
		s.dropLocked(p)
		return nil, err
	}
	planted.Point("session-started")
	return p, nil
}

// createLocked makes the pipeline's folder and spool and writes it into the
// facts, before anything runs: a command that began is always known.
func (s *Session) createLocked(id, digest string, cmd *api.Command) (*pipeline, error) {
	s.next++
	p := &pipeline{s: s, facts: api.Pipeline{
		ID: id, Number: s.next, Digest: digest, Command: api.Excerpt(cmd.Text()), State: api.PipelineRunning,
		InputState: api.InputNone, Began: time.Now(), OnFinish: cmp.Or(cmd.OnFinish, s.info.OnFinish),
	}}
	dir := s.pipelineDir(p.facts.Number)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, diskError(err)
	}
	var err error
	if n := len(s.used); n > 0 {
		old := s.used[n-1]
		s.used = s.used[:n-1]
		p.spool, err = spool.CreateFrom(dir, old, s.spoolOptions(p))
	} else {
		p.spool, err = spool.Create(dir, s.spoolOptions(p))
	}
	if err != nil {
		return nil, diskError(err)
	}
	if cmd.Input != api.InputModeNone {
		p.facts.InputState = api.InputOpen
		if p.input, err = newInputQueue(dir, cmd.Input == api.InputModeStored); err != nil {
			return nil, diskError(err)
		}
	}
	s.pipelines = append(s.pipelines, p)
	s.hurryLocked()
	if err := s.saveLocked(); err != nil {
		s.dropLocked(p)
		return nil, err
	}
	return p, nil
}

func (s *Session) spoolOptions(p *pipeline) spool.Options {
	o := spool.Options{
		SessionID: s.info.InstanceID, Pipeline: p.facts.Number,
		Mode: s.info.OutputBufferingMode, Limit: s.limitLocked(),
		OnChange: func() { p.spoolChanged() },
	}
	if planted.On("small-segments") {
		o.SegmentSize, o.Retain = 4<<10, 16<<10
	}
	return o
}

// spoolChanged notes that the pipeline began or ceased to be blocked or to drop,
// and warns, once each time, whoever comes to receive its output that it will block.
// Who receives it now sees it fill and drain all the time.
func (p *pipeline) spoolChanged() {
	go func() {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		near := p.spool.Stats().NearlyFull && p.facts.Running()
		if near && !p.near && p.taker == nil && !planted.On("nearly-full-unsaid") {
			text := fmt.Sprintf("the output buffer of %d bytes is 80 %% full; when it is full the command waits until its output is received", p.s.info.OutputBufferSize)
			if _, err := p.spool.AppendControl(api.KindWarning, []byte(text)); err != nil {
				p.s.log.Warn("warning not spooled", "pipeline", p.facts.Number, "error", err)
			}
		}
		p.near = near
		p.s.noteLocked()
	}()
}

func (p *pipeline) beginLocked(cmd *api.Command) error {
	if err := p.beginNext(); err != nil {
		return diskError(err)
	}
	live, err := p.s.rs.Invoke(engine.Command{
		Number: p.facts.Number, Script: cmd.Script, Arguments: cmd.Arguments, Argv: cmd.Argv,
		Input: p.input != nil,
	}, &sink{p})
	if err != nil {
		return err
	}
	p.live = live
	if p.input != nil {
		go p.input.pump(live.Input())
	}
	return nil
}

// dropLocked forgets a pipeline that never began.
func (s *Session) dropLocked(p *pipeline) {
	for i, q := range s.pipelines {
		if q == p {
			s.pipelines = append(s.pipelines[:i], s.pipelines[i+1:]...)
		}
	}
	if p.input != nil {
		p.input.discard()
	}
	p.spool.Close()
	if err := spool.Remove(s.pipelineDir(p.facts.Number)); err != nil {
		s.log.Warn("pipeline folder remains", "error", err)
	}
	s.noteLocked()
}

func (s *Session) findLocked(id string) *pipeline {
	for _, p := range s.pipelines {
		if p.facts.ID == id {
			return p
		}
	}
	return nil
}

func (s *Session) runningLocked() *pipeline {
	for i := len(s.pipelines) - 1; i >= 0; i-- {
		if s.pipelines[i].facts.Running() {
			return s.pipelines[i]
		}
	}
	return nil
}

// factsLocked returns the facts with the spool's present numbers.
func (p *pipeline) factsLocked() api.Pipeline {
	f, st := p.facts, p.spool.Stats()
	f.LastSeq, f.Acked, f.Bytes = st.Last, st.Acked, st.UnreadBytes
	f.Blocked, f.Dropping = st.Blocked && f.Running(), st.Dropping && f.Running()
	if p.input != nil {
		f.InputBytes = p.input.received()
	}
	return f
}

// stop is Ctrl-C for the pipeline.
func (p *pipeline) stop() {
	p.s.mu.Lock()
	live := p.live
	running := p.facts.Running()
	if running {
		p.facts.State = api.PipelineStopping
	}
	p.s.mu.Unlock()
	if live == nil || !running {
		return
	}
	// A stopped command may have to print its last words although nobody reads.
	p.spool.Unblock()
	live.Stop()
}

// sink takes the engine's output.
type sink struct{ p *pipeline }

// Write appends output, of whatever stream; it blocks while the buffer is full. A
// warning does not: it may be the engine's own, which waits for nobody.
func (k *sink) Write(kind api.Kind, data []byte) error {
	var err error
	if kind.IsStream() && kind != api.KindWarning {
		_, err = k.p.spool.Append(kind, data)
	} else {
		_, err = k.p.spool.AppendControl(kind, data)
	}
	if err == nil {
		return nil
	}
	e := diskError(err)
	k.p.s.mu.Lock()
	defer k.p.s.mu.Unlock()
	if k.p.full == nil && k.p.facts.Running() { // one that was lost meanwhile has its end
		k.p.full = api.AsError(e)
	}
	return err
}

// Late appends what a background child printed after the end.
func (k *sink) Late(kind api.Kind, data []byte) {
	if err := k.p.spool.AppendLate(kind, data); err != nil {
		k.p.s.log.Warn("late output lost", "pipeline", k.p.facts.Number, "error", err)
	}
}

// End finishes the pipeline.
func (k *sink) End(r engine.Result) {
	s := k.p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	end := &api.PipelineEnd{Outcome: r.Outcome, Error: r.Err}
	if r.Outcome == api.OutcomeExited || r.Outcome == api.OutcomeStopped || r.Outcome == api.OutcomeSignaled {
		end.ExitCode = &r.ExitCode
	}
	switch {
	case s.leaving && r.Outcome != api.OutcomeExited: // we have ended it, and nobody had asked for that
		end = &api.PipelineEnd{Outcome: api.OutcomeLost, Error: s.lostError(s.info.Reason)}
	case r.Err != nil && r.Err.Code == api.CodeLost: // with its engine: what the shell's end says of it means nothing
		end = &api.PipelineEnd{Outcome: api.OutcomeLost, Error: s.lostError(r.Err.Message)}
	}
	if k.p.full != nil {
		end.Outcome, end.Error = api.OutcomeFailed, k.p.full
	}
	k.p.finishLocked(end)
	planted.Point("session-end-unsaved")
	s.pruneLocked()
	if k.p.taker == nil {
		s.noteLocked()
		return
	}
	// The receiver's last acknowledgement is a moment away, and one save will
	// do for both; watch saves if it does not come.
	s.dirty = true
}

func (p *pipeline) sync() {
	if err := p.spool.Sync(); err != nil {
		p.s.log.Warn("spool not synced", "pipeline", p.facts.Number, "error", err)
	}
}

// syncLocked makes the output of all pipelines safe against a power cut.
func (s *Session) syncLocked() {
	for _, p := range s.pipelines {
		if p.facts.Running() || p.spool.Stats().Last > p.spool.Stats().Acked {
			p.sync()
		}
	}
}

// pruneLocked deletes the oldest pipelines beyond keepFinished of which all is
// received. The newest finished one always stays: it has the exit code.
func (s *Session) pruneLocked() {
	finished := 0
	for _, p := range s.pipelines {
		if p.overLocked() {
			finished++
		}
	}
	kept := s.pipelines[:0]
	for _, p := range s.pipelines {
		if finished > keepFinished && p.overLocked() && !planted.On("spools-stay-open") {
			finished--
			p.spool.Close()
			s.letGoLocked(s.pipelineDir(p.facts.Number))
			s.forgetLocked(p)
			continue
		}
		kept = append(kept, p)
	}
	clear(s.pipelines[len(kept):])
	s.pipelines = kept
}

// overLocked reports whether nothing of the pipeline is wanted any more: it has
// ended, all is received, and no background child can add to it.
func (p *pipeline) overLocked() bool {
	st := p.spool.Stats()
	return !p.facts.Running() && p.taker == nil && st.Acked >= st.Last && (p.live == nil || p.live.Quiet())
}

// letGoLocked keeps a spool's folder for the next pipeline, or deletes it.
func (s *Session) letGoLocked(dir string) {
	if len(s.used) < keepUsed {
		s.used = append(s.used, dir)
		return
	}
	go func() {
		if err := spool.Remove(dir); err != nil {
			s.log.Warn("pipeline folder remains", "error", err)
		}
	}()
}
