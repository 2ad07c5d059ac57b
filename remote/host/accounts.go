package host

import (
	"context"
	"errors"
	"maps"
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
	mu    sync.Mutex // guards what follows
	known map[string]knownAccount
	names map[int]knownName // by uid
}

func newAccounts() accounts {
	return accounts{known: map[string]knownAccount{}, names: map[int]knownName{}}
}

type knownName struct {
	name string
	at   time.Time
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
	// Bounded: who is not asked about is forgotten.
	maps.DeleteFunc(a.known, func(_ string, old knownAccount) bool { return time.Since(old.at) >= accountLife })
	a.known[name] = k
	return k.Account, k.groups, nil
}

// inGroup reports whether the user is in the group; nobody is who cannot be looked up.
func (a *accounts) inGroup(ctx context.Context, name, group string) bool {
	_, groups, err := a.find(ctx, name)
	return err == nil && slices.Contains(groups, group)
}

// nameOf returns the user with that uid: each request by the socket of all users asks.
func (a *accounts) nameOf(ctx context.Context, uid int) (string, error) {
	a.mu.Lock()
	k, ok := a.names[uid]
	a.mu.Unlock()
	if ok && time.Since(k.at) < accountLife {
		return k.name, nil
	}
	name, err := identity.NameOf(ctx, uid)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.names, func(_ int, old knownName) bool { return time.Since(old.at) >= accountLife })
	a.names[uid] = knownName{name, time.Now()}
	return name, nil
}
