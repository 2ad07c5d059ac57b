package sessionhost

import (
	"encoding/json"
	"errors"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/spool"
)

// finishLocked is called once per pipeline with how it ended.
func (p *pipeline) finishLocked(end *api.PipelineEnd) {
	if !p.facts.Running() {
		return
	}
	p.endedLocked(end, time.Now())
	if p.input != nil {
		p.input.discard()
	}
	p.appendEnd(end)
	p.s.rewindLocked()
	p.tellLocked()
}

// endedLocked takes how the pipeline ended over into its facts.
func (p *pipeline) endedLocked(end *api.PipelineEnd, at time.Time) {
	p.facts.Ended, p.facts.ExitCode, p.facts.Outcome = &at, end.ExitCode, end.Outcome
	switch end.Outcome {
	case api.OutcomeStopped:
		p.facts.State = api.PipelineStopped
	case api.OutcomeLost:
		p.facts.State = api.PipelineLost
	case api.OutcomeFailed:
		p.facts.State = api.PipelineFailed
	default:
		p.facts.State = api.PipelineCompleted
	}
	if end.Error != nil {
		p.facts.Reason = end.Error.Message
	}
	if p.facts.InputState != api.InputNone {
		p.facts.InputState = api.InputClosed
	}
}

// appendEnd closes the spool with its end. If even that finds no room, the facts
// still tell the end, and a stream makes the record from them.
func (p *pipeline) appendEnd(end *api.PipelineEnd) {
	planted.Point("session-end")
	data, err := json.Marshal(end)
	if err == nil {
		_, err = p.spool.AppendControl(api.KindEnd, data)
	}
	if err != nil && !errors.Is(err, spool.ErrClosed) {
		p.s.log.Warn("end not spooled", "pipeline", p.facts.Number, "error", err)
	}
	planted.Point("session-ended")
	if err := p.spool.Seal(); err != nil {
		p.s.log.Warn("spool not sealed", "pipeline", p.facts.Number, "error", err)
	}
	if p.s.info.Attached == nil {
		p.sync()
	}
}
