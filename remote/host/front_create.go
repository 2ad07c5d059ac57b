package host

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

// create has a session made by the host of the user that its configuration says. What
// that host does is decided here: its own files have no word in it.
func (f *front) create(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		id, req, err := f.h.readCreate(w, r)
		if err != nil {
			return nil, err
		}
		who := f.h.principalOf(r).Name
		conf, err := f.h.o.Paths.LoadSession(req.ConfigurationName, f.h.minIdleMs())
		if err != nil {
			return nil, err
		}
		entry := &registered{
			InstanceID: id, Keeper: cmp.Or(conf.RunAsUser, who), User: who, Name: req.Name, Configuration: conf.Name, Created: time.Now(),
		}
		if f.within(entry.Keeper) && !entry.shared() {
			return sessionAnswer(f.h.createHere(r, id, req))
		}
		line := &auditLine{Action: "New", Session: id, Name: req.Name}
		if entry.shared() {
			line.RunAs = entry.Keeper
		}
		s, err := f.make(r, req, entry, conf)
		line.refused(err)
		f.h.audit.note(r, line)
		return sessionAnswer(s, err)
	}
}

// make has the session made that entry describes, and keeps entry if it was.
func (f *front) make(r *http.Request, req *api.CreateRequest, entry *registered, conf *api.SessionConfiguration) (*api.Session, error) {
	release, err := f.admit(r, conf, entry)
	if err != nil {
		return nil, err
	}
	known := f.registry.find(entry.Keeper, entry.InstanceID) != nil
	err = f.registry.add(entry)
	release()
	if err != nil {
		return nil, err
	}
	var s *api.Session
	if f.within(entry.Keeper) {
		s, err = f.h.createHere(r, entry.InstanceID, req)
	} else {
		s, err = f.makeElsewhere(r, req, entry, conf)
	}
	if err != nil {
		if !known && !api.IsCode(err, api.CodeOutcomeUnknown) {
			f.registry.drop(entry.key())
		}
		return nil, err
	}
	return f.checked(s, entry, known)
}

// makeElsewhere has it made by the host of another user than ours.
func (f *front) makeElsewhere(r *http.Request, req *api.CreateRequest, entry *registered, conf *api.SessionConfiguration) (*api.Session, error) {
	cl, err := f.host(r, entry.Keeper)
	if err != nil {
		return nil, err
	}
	order := *conf
	order.AllowedUsers, order.RunAsUser = nil, ""
	req.Front = &api.FrontOrder{Configuration: order, MaxSpoolBytes: f.h.conf().MaxSpoolBytes}
	s := &api.Session{}
	err = cl.Do(r.Context(), client.Request{
		Method: http.MethodPut, Path: api.SessionPath(entry.InstanceID, ""), Header: headers(r), In: req, Out: s,
	})
	return s, f.broken(entry.Keeper, err)
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
	if entry.shared() && !f.shares(f.sharing(entry.User), entry.Keeper, s.Runspace.InstanceID) {
		return nil, api.Errorf(api.CodeConflict, "user %s has a session %s that you may not use", entry.Keeper, entry.Name).On(entry.Name).
			Hint("choose another name")
	}
	return s, nil
}

// admit refuses a session that its configuration or the limits of this computer do not
// allow. Until release is called no other session is admitted.
func (f *front) admit(r *http.Request, conf *api.SessionConfiguration, entry *registered) (release func(), err error) {
	if err := f.h.allowed(r, conf); err != nil {
		return nil, err
	}
	who := entry.User
	release = f.h.creating.lock("front")
	if f.registry.find(entry.Keeper, entry.InstanceID) != nil {
		return release, nil // it is there already: the answer was lost
	}
	most := f.h.conf().SessionLimit()
	for try := 0; ; try++ {
		own := f.registry.those(func(s *registered) bool { return s.User == who })
		var owners []string
		for _, s := range f.registry.those(func(s *registered) bool { return strings.EqualFold(s.Configuration, conf.Name) }) {
			owners = append(owners, s.User)
		}
		limit, allowed := exceeds(conf, owners, who)
		switch {
		case len(own) >= most && !planted.On("front-counts-nothing"):
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
		_, _ = f.ask(r, keeper) // of one that does not tell, what is known stays
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
