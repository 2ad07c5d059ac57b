package host

import "pss/remote/client"

// fronting are the ways in which a request reaches the host that it is for.
type fronting struct {
	none, mine, ownOnly, heartbeat, list, create, session, configurations func(own client.Handler) client.Handler
}

// frontFor returns them: of a host that serves its own user alone, each request is for
// itself.
func (h *Host) frontFor() fronting {
	here := func(own client.Handler) client.Handler { return own }
	f := h.front
	if f == nil {
		return fronting{here, here, here, here, here, here, here, here}
	}
	return fronting{
		none: here, mine: f.mine, ownOnly: f.ownOnly, heartbeat: f.heartbeat, list: f.list, create: f.create,
		session: f.session, configurations: f.configurations,
	}
}
