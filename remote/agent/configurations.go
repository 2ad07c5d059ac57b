package agent

import (
	"net/http"

	"pss/remote/api"
)

// ownComputer is the one whose session configurations the cmdlets see and change.
const ownComputer = "localhost"

// handleConfigurations passes on what is about session configurations to the host of
// this computer, as it is.
func (a *Agent) handleConfigurations(w http.ResponseWriter, r *http.Request, c *clientSession) (any, error) {
	return nil, a.hostFor(c, ownComputer).Forward(w, r, nil)
}

// configurationRoutes are those that it serves; what a later version adds below them
// passes through, too.
var configurationRoutes = []string{api.RouteConfigurations, api.RouteConfigurations + "/"}
