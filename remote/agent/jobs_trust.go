package agent

import (
	"context"
	"net/http"
	"sync"

	"pss/remote/api"
)

// meetForJob meets the hosts of the sessions that a job is to make on behalf of its maker:
// the job itself works on when nobody can be asked any more. What goes wrong here is the
// job's own error later.
func (a *Agent) meetForJob(ctx context.Context, req *api.JobRequest) {
	c := callerOf(ctx)
	if c == nil {
		return
	}
	var meetings sync.WaitGroup
	for i := range req.Targets {
		create := req.Targets[i].Create
		if create == nil {
			continue
		}
		a.mu.Lock()
		k := a.computerLocked(create.ComputerName)
		a.mu.Unlock()
		if k.local || k.link != nil {
			continue
		}
		meetings.Go(func() {
			if k.meet(ctx) != nil {
				return
			}
			if conn, err := k.connect(ctx); err == nil {
				k.seen(ctx, conn, http.Header{})
				conn.Close()
			}
		})
	}
	meetings.Wait()
}
