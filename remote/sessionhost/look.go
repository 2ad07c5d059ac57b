package sessionhost

import (
	"math"
	"slices"
)

// look plans a delivery that begins with the last lines, or at a time, of all that
// is kept. The caller holds the session's mutex.
func (st *stream) look() (plan []part, err error) {
	lines := st.req.Tail
	oldest := uint32(math.MaxUint32)
	for number := range st.req.After {
		oldest = min(oldest, number)
	}
	for i := len(st.s.pipelines) - 1; i >= 0; i-- {
		p := st.s.pipelines[i]
		if st.req.Pipeline != "" && st.req.Pipeline != p.facts.ID {
			continue
		}
		if len(st.req.After) > 0 { // a broken delivery goes on where it was
			if p.facts.Number >= oldest {
				plan = append(plan, part{p, st.req.After[p.facts.Number]})
			}
			continue
		}
		after, more, err := st.lookAt(p, &lines)
		if err != nil {
			return nil, err
		}
		if after < p.spool.Stats().Last || p.facts.Running() {
			plan = append(plan, part{p, after})
		}
		if !more {
			break
		}
	}
	slices.Reverse(plan)
	return plan, nil
}

// lookAt returns the record behind which p is looked at, and whether older pipelines
// have something wanted, too. It takes the lines that it finds off lines.
func (st *stream) lookAt(p *pipeline, lines *int) (after uint64, more bool, err error) {
	if st.req.Tail > 0 {
		after, skip, found, err := p.spool.Tail(*lines)
		*lines -= found
		st.skip = skip
		more = *lines > 0
		if since := st.req.Since; since != nil && err == nil {
			late, serr := p.spool.Since(*since)
			if late > after {
				after, st.skip, more = late, 0, false
			}
			err = serr
		}
		return after, more, err
	}
	after, err = p.spool.Since(*st.req.Since)
	return after, true, err
}
