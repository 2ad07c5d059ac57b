package sessionhost

import (
	"slices"

	"pss/remote/api"
)

// keepForgotten is how many ids of pipelines that are not kept any more are still
// known: a start that is repeated so late must not run again. They need not be on
// disk: without this process nothing can be started.
const keepForgotten = 256

func (s *Session) forgetLocked(p *pipeline) {
	s.forgotten = append(s.forgotten[max(0, len(s.forgotten)-keepForgotten+1):], p.facts.ID)
}

// forgottenLocked refuses to start a pipeline that has been here.
func (s *Session) forgottenLocked(id string) error {
	if !slices.Contains(s.forgotten, id) {
		return nil
	}
	return api.Errorf(api.CodePipelineNotFound, "pipeline %s has ended, was received and is no longer kept", id).On(s.info.Name)
}
