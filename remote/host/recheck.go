package host

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"pss/remote/api"
	"pss/remote/identity"
	"pss/remote/planted"
)

const (
	// recheck is how long an account, and what it was proved with, is believed to be as it was.
	recheck = time.Minute
	// maxChecked bounds how many verdicts are remembered.
	maxChecked = 4096
)

// verdict is what was true of an account, and of what it was proved with, at that time
// and under those terms.
type verdict struct {
	at    time.Time
	under *terms
	err   error
	keys  []identity.AuthorizedKey // the lines of the key that it was proved with
}

// checked is what a verdict is about.
type checked struct {
	user string
	with identity.Proof
}

// verdicts are those of the last minute.
type verdicts struct {
	mu   sync.Mutex // guards list
	list map[checked]verdict
}

func (v *verdicts) of(about checked) (verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	found, ok := v.list[about]
	return found, ok
}

func (v *verdicts) remember(about checked, now verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.list == nil || len(v.list) >= maxChecked {
		v.list = map[checked]verdict{}
	}
	v.list[about] = now
}

// fit fails if the user may not be used any more, or if that with which it was proved
// counts no more: a key that was taken out of authorized_keys, a password that was
// changed. The answer may be a minute old, but is one under the present terms.
func (a *auth) fit(r *http.Request, user string, with identity.Proof) error {
	t, about := a.terms.Load(), checked{user, with}
	v, ok := a.checked.of(about)
	if (!ok || v.under != t || time.Since(v.at) >= recheck) && !(ok && planted.On("account-checked-once")) {
		v = verdict{at: time.Now(), under: t}
		var account *identity.Account
		if account, v.err = a.inspect(r.Context(), t, user); v.err == nil {
			v.keys, v.err = a.standing(r.Context(), t, account, about)
		}
		if r.Context().Err() == nil {
			a.checked.remember(about, v)
		}
	}
	if v.err == nil && v.keys != nil && !slices.ContainsFunc(v.keys, func(k identity.AuthorizedKey) bool { return k.Admits(ipOf(r), time.Now()) }) {
		return errors.New("the key's line in authorized_keys lets nobody in from there, or not any more")
	}
	return v.err
}

// standing fails if that with which the account was proved counts no more. It returns the
// lines of authorized_keys that have the key, if it was one.
func (a *auth) standing(ctx context.Context, t *terms, account *identity.Account, about checked) ([]identity.AuthorizedKey, error) {
	with := about.with
	if with.Mark == "" || planted.On("proof-never-taken-back") {
		return nil, nil
	}
	if with.Method == api.MethodPassword {
		mark, err := a.passwords.Mark(about.user)
		if err == nil && (mark != with.Mark || !a.takesPasswords()) {
			err = errors.New("the password was changed, or is not taken any more")
		}
		return nil, err
	}
	keys, err := identity.AuthorizedKeys(ctx, account, t.keyFile)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k identity.AuthorizedKey) bool {
		key, err := identity.ParseKey(k.Wire)
		return err != nil || ssh.FingerprintSHA256(key) != with.Mark
	})
	if len(keys) == 0 {
		return nil, errors.New("the key is not in authorized_keys any more")
	}
	return keys, nil
}
