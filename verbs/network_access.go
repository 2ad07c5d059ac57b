package verbs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"pss/remote/api"
)

func networkAccessParam() param {
	return flag("EnableNetworkAccess", "on localhost: give the session the caller's SSH_AUTH_SOCK and KRB5CCNAME; it is connected from this computer only then, which is hygiene and no isolation")
}

// tellNoNetworkAccess warns that a session was made without the network access that was
// asked for: its computer is another one.
func (rt *Runtime) tellNoNetworkAccess(req *api.CreateRequest, s *api.Session) {
	if req.NetworkAccess && !s.Runspace.NetworkAccess && !s.Existed {
		rt.warnNoNetworkAccess("session "+strconv.Quote(s.Runspace.Name), s.ComputerName)
	}
}

// tellFarJob is tellNoNetworkAccess for a job, whose sessions are made later.
func (rt *Runtime) tellFarJob(req *api.CreateRequest) {
	own, _ := os.Hostname()
	computer := api.ComputerOf(req.ComputerName)
	if req.NetworkAccess && computer != "." && !strings.EqualFold(computer, "localhost") && !strings.EqualFold(computer, own) {
		rt.warnNoNetworkAccess("the job", computer)
	}
}

func (rt *Runtime) warnNoNetworkAccess(what, computer string) {
	rt.warn("EnableNetworkAccessIgnored", fmt.Sprintf("--enable-network-access is ignored for %s on %s: it is for sessions on this computer, localhost.", what, computer), computer)
}
