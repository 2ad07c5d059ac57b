package sessionhost

import (
	"bytes"
	"os/exec"
	"strconv"

	"pss/remote/api"
	"pss/remote/platform"
)

// tellLocked runs the pipeline's OnFinish command, once: that it was begun is on
// disk before it begins, so a process that dies here does not run it again.
func (p *pipeline) tellLocked() {
	s := p.s
	if p.facts.OnFinish == "" || p.facts.Told || s.leaving { // whoever comes after us has the time for it
		return
	}
	p.facts.Told = true
	if err := s.saveLocked(); err != nil {
		p.facts.Told = false
		s.log.Warn("on-finish command waits", "error", err)
		return
	}
	code := ""
	if p.facts.ExitCode != nil {
		code = strconv.Itoa(*p.facts.ExitCode)
	}
	cmd := exec.Command("/bin/sh", "-c", p.facts.OnFinish)
	cmd.Dir = s.boot.WorkingDir
	cmd.Env = append(append([]string(nil), s.boot.Environment...),
		"PSS_SESSION_NAME="+s.info.Name, "PSS_SESSION_ID="+s.info.InstanceID, "PSS_COMMAND="+p.facts.Command,
		"PSS_OUTCOME="+string(p.facts.Outcome), "PSS_EXIT_CODE="+code, "PSS_REASON="+p.facts.Reason)
	platform.OwnSession(cmd) // it may outlive the session
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	number := p.facts.Number
	go func() {
		if err := cmd.Run(); err != nil {
			s.log.Warn("on-finish command failed", "pipeline", number, "error", err, "output", api.Excerpt(out.String()))
		}
	}()
}
