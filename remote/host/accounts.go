package host

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/identity"
)

// accountLife is how long what the user database said of a user counts.
const accountLife = 10 * time.Second

// accounts are the users of this computer, as far as they were asked about.
type accounts struct {
	mu    sync.Mutex // guards known
	known map[string]knownAccount
}

type knownAccount struct {
	*identity.Account
	groups []string // names
	at     time.Time
}

// find returns a user, and the names of the groups that they are in.
func (a *accounts) find(ctx context.Context, name string) (*identity.Account, []string, error) {
	a.mu.Lock()
	k, ok := a.known[name]
	a.mu.Unlock()
	if ok && time.Since(k.at) < accountLife {
		return k.Account, k.groups, nil
	}
	acc, err := identity.Lookup(ctx, name)
	if errors.Is(err, identity.ErrNoAccount) {
		return nil, nil, api.Errorf(api.CodeInvalidArgument, "there is no user %s on this computer", name).WithID("UserNotFound").On(name).
			Hint("give the name of an account: getent passwd %s", name)
	}
	if err != nil {
		return nil, nil, api.Errorf(api.CodeInternal, "the user database does not tell of %s: %v", name, err).On(name).Hint("try again")
	}
	k = knownAccount{acc, acc.GroupNames(ctx), time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, old := range a.known { // bounded: who is not asked about is forgotten
		if time.Since(old.at) >= accountLife {
			delete(a.known, n)
		}
	}
	a.known[name] = k
	return k.Account, k.groups, nil
}

// inGroup reports whether the user is in the group; nobody is who cannot be looked up.
func (a *accounts) inGroup(ctx context.Context, name, group string) bool {
	_, groups, err := a.find(ctx, name)
	return err == nil && slices.Contains(groups, group)
}

// nameOf returns the user with that uid.
func (a *accounts) nameOf(ctx context.Context, uid int) (string, error) {
	acc, err := identity.LookupID(ctx, uid)
	if err != nil {
		return "", err
	}
	return acc.Name, nil
}
