package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
	"pss/remote/planted"
)

// errLimited is an attempt beyond auth_attempts.
var errLimited = errors.New("too many attempts")

// denied is what every failed attempt is told, to the byte.
func denied() error {
	return api.Errorf(api.CodeAccessDenied, "access is denied").WithID("AccessDenied").
		Hint("check the user's name, and that the computer has your SSH key in authorized_keys, or knows your password; see about_Identity")
}

// required is what is told to whoever has proved nothing.
func required() error {
	return api.Errorf(api.CodeAccessDenied, "the host does not know who asks").WithID("AuthenticationRequired").
		Hint("prove who you are with an SSH key, a client certificate or a password (see about_Identity), or as the host's own user with its token")
}

// handleAuth serves a route for strangers, which is not behind the guard.
func (h *Host) handleAuth(f client.Handler) client.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		whole := r.Body
		r.Body = http.MaxBytesReader(w, whole, maxAuthBody)
		v, err := f(w, r)
		takeRest(w, whole, err, maxStrangersBody)
		return v, err
	}
}

// handleChallenge gives out a nonce. Nobody looks at the user yet.
func (a *auth) handleChallenge(w http.ResponseWriter, r *http.Request) (any, error) {
	var in api.ChallengeRequest
	if err := client.ReadBody(w, r, &in); err != nil {
		return nil, err
	}
	nonce := make([]byte, identity.NonceSize)
	rand.Read(nonce) // never fails
	if !guestOf(r).challenge(nonce, time.Now()) {
		return nil, api.Errorf(api.CodeQuota, "%d challenges wait for their answer on this connection", maxNonces).
			Hint("answer one, or wait %v", nonceLife)
	}
	return &api.Challenge{Version: api.Version, Nonce: nonce, Methods: a.methods()}, nil
}

func (a *auth) handleProof(w http.ResponseWriter, r *http.Request) (any, error) {
	var in api.ProofRequest
	if err := client.ReadBody(w, r, &in); err != nil {
		return nil, err
	}
	start := time.Now()
	key, err := a.prove(r, &in)
	return a.decide(r, start, in.User, identity.Proof{Method: api.MethodPublicKey, Mark: key}, in.Expiry, err)
}

func (a *auth) handlePassword(w http.ResponseWriter, r *http.Request) (any, error) {
	var in api.PasswordRequest
	if err := client.ReadBody(w, r, &in); err != nil {
		return nil, err
	}
	start := time.Now()
	with, err := a.checkPassword(r, in.User, in.Password)
	if !in.Expiry.IsZero() && !in.Expiry.After(start) {
		err = errors.Join(err, errors.New("the enrolment would end before it begins"))
	}
	return a.decide(r, start, in.User, with, in.Expiry, err)
}

// handleLeave ends the enrolment of the TLS key that asks, and what the connection is
// bound to.
func (a *auth) handleLeave(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := guestOf(r)
	line := &auditLine{Action: "Leave"}
	p.bind(principal{}, time.Time{})
	if state := client.TLSState(p.conn); state != nil && len(state.PeerCertificates) > 0 {
		if _, err := a.enrolled.Remove(keyName(state)); err != nil {
			line.refused(err)
			a.h.audit.note(r, line)
			return nil, err
		}
	}
	a.h.audit.note(r, line)
	return struct{}{}, nil
}

// decide notes an attempt and answers it: a failure at a fixed moment after its start,
// whatever it was.
func (a *auth) decide(r *http.Request, start time.Time, user string, with identity.Proof, expiry time.Time, err error) (any, error) {
	var out *api.Enrolment
	if err == nil {
		out, err = a.admit(r, user, with, expiry)
	}
	key := ""
	if with.Method == api.MethodPublicKey {
		key = with.Mark
	}
	a.note(r, user, with.Method, key, err)
	if err == nil {
		return out, nil
	}
	a.wait(r.Context(), start)
	return nil, denied()
}

// wait returns when a whole number of failure times has passed since the start.
func (a *auth) wait(ctx context.Context, start time.Time) {
	if planted.On("failures-at-once") {
		return
	}
	whole := a.terms.Load().failure
	rest := whole - time.Since(start)%whole
	select {
	case <-time.After(rest):
	case <-ctx.Done():
	}
}

// begin counts an attempt and waits for its turn; end is to be called when it is over.
func (a *auth) begin(r *http.Request, user string, counted bool) (end func(), err error) {
	if !planted.On("attempts-not-limited") {
		if !a.addresses.Allow(identity.AddressKey(ipOf(r))) || counted && !a.users.Allow(user) {
			return nil, errLimited
		}
	}
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// checkPassword fails if the password is not the user's, or the user may not come in.
// Every failure is the same work.
func (a *auth) checkPassword(r *http.Request, user, password string) (identity.Proof, error) {
	with := identity.Proof{Method: api.MethodPassword}
	if !a.takesPasswords() {
		return with, errors.New("no passwords are taken")
	}
	end, err := a.begin(r, user, true)
	if err != nil {
		return with, err
	}
	defer end()
	_, err = a.inspect(r.Context(), a.terms.Load(), user)
	mark, merr := a.passwords.Mark(user) // before the check: one that is changed meanwhile counts no more
	with.Mark = mark
	ok, perr := a.passwords.Check(r.Context(), user, password)
	if perr == nil && !ok {
		perr = errors.New("the password is wrong")
	}
	return with, errors.Join(err, merr, perr)
}

// prove fails if none of the keys is one with which the user may come in, or its
// signature is not for this connection. It returns the key's fingerprint. Every failure
// is the same work.
func (a *auth) prove(r *http.Request, in *api.ProofRequest) (string, error) {
	now := time.Now()
	fresh := guestOf(r).answered(in.Nonce, now)
	end, err := a.begin(r, in.User, false)
	if err != nil {
		return "", err
	}
	defer end()
	var errs []error
	if !fresh {
		errs = append(errs, errors.New("the nonce is not one that waits for an answer"))
	}
	if !in.Expiry.After(now) {
		errs = append(errs, errors.New("the proof has expired"))
	}
	b, err := a.binding(r, in)
	t := a.terms.Load()
	account, aerr := a.inspect(r.Context(), t, in.User)
	keys, kerr := identity.AuthorizedKeys(r.Context(), account, t.keyFile)
	key, perr := a.match(r, in.Proofs, keys, a.messages(b))
	return key, errors.Join(append(errs, err, aerr, kerr, perr)...)
}

// binding is what the keys must have signed on this connection.
func (a *auth) binding(r *http.Request, in *api.ProofRequest) (*identity.Binding, error) {
	b := &identity.Binding{Nonce: in.Nonce, Host: in.Host, User: in.User, Expiry: in.Expiry}
	state := client.TLSState(connOf(r))
	if state == nil {
		return b, errors.New("the connection has no TLS")
	}
	if len(state.PeerCertificates) > 0 {
		b.ClientKey = identity.KeySum(state.PeerCertificates[0])
	}
	var err error
	b.Exported, err = identity.Export(state, in.Nonce)
	return b, err
}

// messages are what may have been signed: with each of the host's keys, because a
// connection may be older than the present one. Which connection it is, the exported
// keying material says.
func (a *auth) messages(b *identity.Binding) (list [][]byte) {
	for _, key := range a.h.certs.sums() {
		b.ServerKey = key
		list = append(list, b.Message())
	}
	return list
}

// match verifies every proof, and returns the fingerprint of the first key that may come
// in.
func (a *auth) match(r *http.Request, proofs []api.KeyProof, keys []identity.AuthorizedKey, messages [][]byte) (string, error) {
	found, err := "", errors.New("no key is in authorized_keys")
	if len(proofs) > api.MaxProofs {
		return "", errors.New("there are too many proofs")
	}
	for _, p := range proofs {
		known := false
		for _, k := range keys {
			if !bytes.Equal(k.Wire, p.PublicKey) {
				continue
			}
			known = true
			key, verr := verifyAny(p, messages, k.Demands)
			switch {
			case verr != nil:
				err = verr
			case !k.Admits(ipOf(r), time.Now()):
				err = errors.New("its line in authorized_keys lets nobody in from there, or not any more")
			case found == "":
				found = ssh.FingerprintSHA256(key)
			}
		}
		if !known {
			_, _ = verifyAny(p, messages, identity.Demands{}) // the same work
		}
	}
	if found != "" {
		return found, nil
	}
	return firstKey(proofs), err
}

// verifyAny verifies the proof as one of the messages.
func verifyAny(p api.KeyProof, messages [][]byte, d identity.Demands) (key ssh.PublicKey, err error) {
	for _, m := range messages {
		if key, err = identity.VerifyFor(p, m, d); err == nil {
			return key, nil
		}
	}
	return nil, err
}

// firstKey is the fingerprint for the audit log of an attempt that failed.
func firstKey(proofs []api.KeyProof) string {
	for _, p := range proofs {
		if key, err := identity.ParseKey(p.PublicKey); err == nil {
			return ssh.FingerprintSHA256(key)
		}
	}
	return ""
}

// basic tries the password of a request's Authorization header, for curl. What comes of
// it is bound to the connection.
func (a *auth) basic(r *http.Request) (principal, bool) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return principal{}, false
	}
	start := time.Now()
	with, err := a.checkPassword(r, user, password)
	if _, err := a.decide(r, start, user, with, time.Time{}, err); err != nil {
		return principal{}, false
	}
	return guestOf(r).bound()
}

// authorizes reports whether a request says by itself who asks.
func authorizes(r *http.Request) bool { return strings.TrimSpace(r.Header.Get("Authorization")) != "" }
