package agent

import (
	"net/http"

	"pss/remote/api"
)

// handleKnown answers from memory alone: completion asks while somebody waits at a
// prompt, and a computer that does not answer must not hold that up.
func (a *Agent) handleKnown(_ http.ResponseWriter, _ *http.Request, c *clientSession) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &api.Known{Sessions: []api.KnownSession{}, Computers: a.used.names()}
	for _, e := range c.sortedLocked() {
		if e.id == 0 {
			continue // never shown: a temporary session of a cmdlet that runs
		}
		k.Sessions = append(k.Sessions, api.KnownSession{ID: e.id, Name: e.name, InstanceID: e.instance, ComputerName: e.computer, Mine: e.mine})
	}
	return k, nil
}
