package host

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// create has a session made by the host of the user that its configuration says. What
// that host does is decided here: its own files have no word in it.
func (f *front) create(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		var req api.CreateRequest
		if err := client.ReadBody(w, r, &req); err != nil {
			return nil, err
		}
		id, err := client.PathGUID(r, "session")
		if err != nil {
			return nil, err
		}
		line := &auditLine{Action: "New", Session: id, Name: req.Name}
		s, err := f.make(w, r, id, &req, line)
		line.refused(err)
		f.h.audit.note(r, line)
		return s, err
	}
}

func (f *front) make(w http.ResponseWriter, r *http.Request, id string, req *api.CreateRequest, line *auditLine) (*api.Session, error) {
	who := f.h.principalOf(r).Name
	conf, err := f.h.o.Paths.LoadSession(req.ConfigurationName, f.h.minIdleMs())
	if err != nil {
		return nil, err
	}
	keeper := cmp.Or(conf.RunAsUser, who)
	if keeper != who {
		line.RunAs = keeper
	}
	if f.within(keeper) {
		return f.h.createHere(r, id, req)
	}
	release, err := f.admit(r, conf, keeper, id)
	if err != nil {
		return nil, err
	}
	defer release()
	cl, err := f.host(r, keeper)
	if err != nil {
		return nil, err
	}
	entry := &registered{InstanceID: id, Keeper: keeper, User: who, Name: req.Name, Configuration: conf.Name, Created: time.Now()}
	known := f.registry.find(keeper, id) != nil
	if err := f.registry.add(entry); err != nil {
		return nil, err
	}
	conf.AllowedUsers, conf.RunAsUser = nil, ""
	req.Front = &api.FrontOrder{Configuration: *conf, MaxSpoolBytes: f.h.o.Config.MaxSpoolBytes}
	s, err := cl.Create(r.Context(), id, req)
	if err != nil {
		if err = f.broken(keeper, err); !known && !api.IsCode(err, api.CodeOutcomeUnknown) {
			f.registry.drop(entry.key())
		}
		return nil, err
	}
	return f.checked(s, entry, known)
}

// checked returns the session that a keeper's host made, if it is one that the asker may
// see: with IfAbsent it can be another one than was asked for.
func (f *front) checked(s *api.Session, entry *registered, known bool) (*api.Session, error) {
	s.Runspace.Owner = entry.Keeper
	if s.Runspace.InstanceID == entry.InstanceID {
		return s, nil
	}
	if !known {
		f.registry.drop(entry.key())
	}
	if entry.shared() && !f.shares(entry.User, entry.Keeper, s.Runspace.InstanceID) {
		return nil, api.Errorf(api.CodeConflict, "user %s has a session %s that you may not use", entry.Keeper, entry.Name).On(entry.Name).
			Hint("choose another name")
	}
	return s, nil
}

// admit refuses a session that its configuration or the limits of this computer do not
// allow. Until release is called no other session is made for this user.
func (f *front) admit(r *http.Request, conf *api.SessionConfiguration, keeper, id string) (release func(), err error) {
	who := f.h.principalOf(r).Name
	if err := f.h.allowed(r, conf); err != nil {
		return nil, err
	}
	release = f.h.creating.lock("front")
	if f.registry.find(keeper, id) != nil {
		return release, nil // it is there already: the answer was lost
	}
	most := cmp.Or(f.h.o.Config.MaxSessions, config.DefaultMaxSessions)
	for try := 0; ; try++ {
		own := f.registry.those(func(s *registered) bool { return s.User == who })
		var owners []string
		for _, s := range f.registry.those(func(s *registered) bool { return strings.EqualFold(s.Configuration, conf.Name) }) {
			owners = append(owners, s.User)
		}
		limit, allowed := exceeds(conf, owners, who)
		switch {
		case len(own) >= most:
			err = api.Errorf(api.CodeQuota, "user %s has %d sessions here, as many as max_sessions allows", who, len(own)).WithID("QuotaLimit").
				Hint("remove some: pss remove-pssession --computer-name COMPUTER --name NAME")
		case limit != "":
			err = quotaOf(conf.Name, limit, allowed)
		default:
			return release, nil
		}
		if try > 0 {
			release()
			return nil, err
		}
		f.recount(r) // some may have ended without a word to us
	}
}

// recount asks the hosts of all users with sessions what they have, on their own behalf.
func (f *front) recount(r *http.Request) {
	keepers := map[string]bool{}
	for _, s := range f.registry.those(func(s *registered) bool { return time.Since(s.Created) > youth }) {
		keepers[s.Keeper] = true
	}
	for keeper := range keepers {
		if f.within(keeper) {
			continue
		}
		if cl, err := f.host(r, keeper); err == nil {
			if list, err := cl.Sessions(r.Context()); err == nil {
				f.registry.reconcile(keeper, list.Sessions)
			}
		}
	}
}

// configurations lists those that the asker may use.
func (f *front) configurations(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		v, err := own(w, r)
		list, ok := v.(*api.ConfigurationList)
		who := f.h.principalOf(r).Name
		if err != nil || !ok || who == f.h.owner {
			return v, err
		}
		mine := &api.ConfigurationList{Version: list.Version, Configurations: []api.SessionConfiguration{}}
		for _, c := range list.Configurations {
			if !f.h.allows(&c, who) {
				continue
			}
			// How root prepares a session is not the business of who uses it.
			c.File, c.StartupScript, c.StartupScriptText, c.Environment, c.AllowedUsers = "", "", "", nil, nil
			mine.Configurations = append(mine.Configurations, c)
		}
		return mine, nil
	}
}

// orderOf takes what the computer's daemon ordered out of a request. Anybody else's order
// counts for nothing.
func orderOf(r *http.Request, req *api.CreateRequest) *api.FrontOrder {
	o, ok := client.OriginOf(connOf(r))
	if !ok || o.User == "" || o.UID != 0 {
		return nil
	}
	return req.Front
}
