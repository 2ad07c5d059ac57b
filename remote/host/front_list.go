package host

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/client"
)

// list is what the asker's own host has, and what they share.
func (f *front) list(own client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		who := f.h.principalOf(r).Name
		all := &api.SessionList{Version: api.Version, Sessions: []api.Session{}}
		keepers := append([]string{who}, slices.DeleteFunc(f.sharers(who), func(k string) bool { return k == who })...)
		answers := f.askAll(w, r, keepers, own)
		may := f.sharing(who)
		for i, keeper := range keepers {
			list, err := answers[i].list, answers[i].err
			if err != nil && keeper == who {
				return nil, err
			}
			if err != nil {
				all.Errors = append(all.Errors, api.AsError(err).On(keeper))
				continue
			}
			all.Errors = append(all.Errors, list.Errors...)
			for _, s := range list.Sessions {
				if keeper != who && !f.shares(may, keeper, s.Runspace.InstanceID) {
					continue
				}
				s.Runspace.Owner = keeper // whatever its files say
				all.Sessions = append(all.Sessions, s)
			}
		}
		slices.SortFunc(all.Sessions, func(a, b api.Session) int {
			return cmp.Or(a.Runspace.Created.Compare(b.Runspace.Created), strings.Compare(a.Runspace.InstanceID, b.Runspace.InstanceID))
		})
		return all, nil
	}
}

// listed is what the host of a keeper answers.
type listed struct {
	list *api.SessionList
	err  error
}

// askAll asks the hosts of the keepers, the first of whom is who asks, all at once. For
// those of others nobody waits long.
func (f *front) askAll(w http.ResponseWriter, r *http.Request, keepers []string, own client.Handler) []listed {
	answers := make([]listed, len(keepers))
	var asks sync.WaitGroup
	for i, keeper := range keepers {
		asks.Go(func() {
			asked := r
			if i > 0 {
				ctx, cancel := context.WithTimeout(r.Context(), sharedTime)
				defer cancel()
				asked = r.WithContext(ctx)
			}
			answers[i].list, answers[i].err = f.sessionsOf(w, asked, keeper, own)
		})
	}
	asks.Wait()
	return answers
}

// sharedTime is how long the host of a run-as user may take to tell its sessions.
const sharedTime = 5 * time.Second

// shares reports whether the user whom may speaks of may see the keeper's session.
func (f *front) shares(may func(*registered) bool, keeper, id string) bool {
	s := f.registry.find(keeper, id)
	return s != nil && s.shared() && may(s)
}

// sessionsOf lists what a keeper's host has.
func (f *front) sessionsOf(w http.ResponseWriter, r *http.Request, keeper string, own client.Handler) (*api.SessionList, error) {
	if f.within(keeper) {
		v, err := own(w, r)
		list, _ := v.(*api.SessionList)
		return list, err
	}
	return f.ask(r, keeper)
}

// ask lists what a keeper's host has, and lets the registry know.
func (f *front) ask(r *http.Request, keeper string) (*api.SessionList, error) {
	cl, err := f.host(r, keeper)
	if err != nil {
		return nil, err
	}
	list := &api.SessionList{}
	err = cl.Do(r.Context(), client.Request{Method: http.MethodGet, Path: api.RouteSessions, Header: headers(r), Out: list})
	if err != nil {
		return nil, f.broken(keeper, err)
	}
	f.registry.reconcile(keeper, list.Sessions)
	return list, nil
}
