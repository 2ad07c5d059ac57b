package host

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
	"pss/remote/planted"
)

const (
	// maxAttempts bounds the attempts under way: each starts processes.
	maxAttempts = 16
	// maxAuthBody bounds what a stranger may send to prove something.
	maxAuthBody = 128 << 10
	// maxStrangersBody is how much of a body that is larger is taken before the answer.
	maxStrangersBody = 4 << 20
)

// auth finds out as whom strangers may use the host.
type auth struct {
	h         *Host
	own       bool // only the owner is let in
	terms     atomic.Pointer[terms]
	passwords identity.Passwords
	enrolled  *identity.Enrolments
	addresses *identity.Limiter
	users     *identity.Limiter
	slots     chan struct{}

	checked verdicts
}

// terms are what host.toml says of who is let in. They change as a whole.
type terms struct {
	policy    identity.Policy
	keyFile   string
	certs     *identity.Certificates
	certified bool          // certs names somebody
	passwords *bool         // whether they are taken; nil: once there is one
	failure   time.Duration // when a refusal is told
	attempts  int           // in a minute
}

// newTerms reads what the settings name. An error says what is wrong with them.
func newTerms(c *config.Host) (*terms, error) {
	if err := identity.CheckKeyFilePattern(c.AuthorizedKeysFile); err != nil {
		return nil, err
	}
	certs, err := identity.OpenCertificates(c.ClientCAFile, c.Certificates)
	if err != nil {
		return nil, err
	}
	t := &terms{
		policy: identity.Policy{
			Shadow: os.Geteuid() == 0, PermitRoot: c.PermitRoot, DenyUsers: c.DenyUsers, AllowUsers: c.AllowUsers, AllowGroups: c.AllowGroups,
		},
		keyFile: c.AuthorizedKeysFile, certs: certs, certified: len(c.Certificates) > 0,
		passwords: c.PasswordAuthentication, failure: c.AuthFailureTime.Or(config.DefaultAuthFailureTime), attempts: c.AuthAttempts,
	}
	if t.attempts <= 0 {
		t.attempts = config.DefaultAuthAttempts
	}
	return t, nil
}

func newAuth(h *Host) (*auth, error) {
	t, err := newTerms(h.o.Config)
	if err != nil {
		return nil, err
	}
	enrolled, err := identity.OpenEnrolments(h.o.Paths.EnrolmentFile())
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "the enrolments of clients cannot be read: %v", err).WithID("FileDamaged").
			On(h.o.Paths.EnrolmentFile()).Hint("delete %s: everybody proves again who they are", h.o.Paths.EnrolmentFile())
	}
	a := &auth{
		h: h, own: os.Geteuid() != 0 || h.o.Embedded,
		passwords: identity.Passwords{Path: h.o.Paths.PasswordFile()}, enrolled: enrolled,
		addresses: identity.NewLimiter(t.attempts), users: identity.NewLimiter(t.attempts),
		slots: make(chan struct{}, maxAttempts),
	}
	a.terms.Store(t)
	return a, nil
}

// take lets the terms count from the next request on. What was found out about accounts
// under those before counts no more; enrolments stay.
func (a *auth) take(t *terms) {
	a.addresses.Limit(t.attempts)
	a.users.Limit(t.attempts)
	if !planted.On("terms-kept") {
		a.terms.Store(t)
	}
}

// methods lists what strangers may try, the same for everybody.
func (a *auth) methods() []string {
	list := []string{api.MethodPublicKey}
	if a.terms.Load().certified {
		list = append(list, api.MethodCertificate)
	}
	if a.takesPasswords() {
		list = append(list, api.MethodPassword)
	}
	return list
}

func (a *auth) takesPasswords() bool {
	if p := a.terms.Load().passwords; p != nil {
		return *p
	}
	return a.passwords.Any()
}

// inspect returns the account of that name, or one to do the same work with, and why it
// may not be used under these terms.
func (a *auth) inspect(ctx context.Context, t *terms, user string) (*identity.Account, error) {
	var account *identity.Account
	err := identity.ErrNoAccount
	if !a.own || user == a.h.owner {
		account, err = identity.Lookup(ctx, user)
	}
	if err != nil {
		account = identity.Nobody(ctx)
	}
	return account, errors.Join(err, t.policy.Check(ctx, account))
}

// known finds the user of a request without new proof: the connection is bound, or its
// TLS key is enrolled or certified.
func (a *auth) known(r *http.Request) (principal, bool) {
	p := guestOf(r)
	who, ok := p.bound()
	state := client.TLSState(p.conn)
	if !ok && state != nil && len(state.PeerCertificates) > 0 {
		if e, enrolled := a.enrolled.Find(keyName(state)); enrolled {
			who, ok = principal{Name: e.User, Method: api.MethodEnrolment, with: e.Proof}, true
		} else {
			return a.certified(r, p, state)
		}
	}
	if !ok {
		return principal{}, false
	}
	if err := a.fit(r, who.Name, who.with); err != nil {
		a.h.log.Info("not let in any more", "user", who.Name, "from", r.RemoteAddr, "reason", err)
		return principal{}, false
	}
	return who, true
}

// certified finds the user for whom the certificate stands.
func (a *auth) certified(r *http.Request, p *guest, state *tls.ConnectionState) (principal, bool) {
	user, err := a.terms.Load().certs.User(state.PeerCertificates, time.Now())
	if user == "" && err == nil {
		return principal{}, false
	}
	if err == nil {
		err = a.fit(r, user, identity.Proof{})
	}
	if p.note(fmt.Sprint(user, err != nil)) {
		a.note(r, user, api.MethodCertificate, client.Fingerprint(state.PeerCertificates[0]), err)
	}
	return principal{Name: user, Method: api.MethodCertificate}, err == nil
}

// keyName names the client's TLS key among the enrolments.
func keyName(state *tls.ConnectionState) string {
	return base64.StdEncoding.EncodeToString(identity.KeySum(state.PeerCertificates[0]))
}

// admit binds the connection to the user and enrols its TLS key.
func (a *auth) admit(r *http.Request, user string, with identity.Proof, expiry time.Time) (*api.Enrolment, error) {
	p := guestOf(r)
	out := &api.Enrolment{Version: api.Version, User: user, Method: with.Method}
	until := time.Now().Add(api.MaxEnrolment)
	if !expiry.IsZero() && expiry.Before(until) {
		until = expiry
	}
	if state := client.TLSState(p.conn); state != nil && len(state.PeerCertificates) > 0 {
		var err error
		if out.Until, err = a.enrolled.Add(keyName(state), user, with, until); err != nil {
			return nil, err
		}
	}
	if c := peerOf(r); c != nil {
		c.gate.becomes(c, peerKnown)
	}
	p.bind(principal{Name: user, Method: with.Method, with: with}, until)
	return out, nil
}

// note keeps a record of an attempt. Why it was refused is for whoever reads the log.
func (a *auth) note(r *http.Request, user, method, key string, err error) {
	line := &auditLine{Action: "Enrol", User: user[:min(len(user), 64)], Method: method, Key: key}
	if err == nil {
		a.h.audit.note(r, line)
		return
	}
	a.h.metrics.refusal(api.CodeAccessDenied)
	if s := sightOf(r); s != nil {
		s.audited = true
	}
	line.Refused, line.Address = string(api.CodeAccessDenied), r.RemoteAddr
	if a.h.audit.refuse(addressOf(r.RemoteAddr), line) { // repeated ones are counted only
		a.h.log.Warn("access denied", "user", line.User, "method", method, "from", r.RemoteAddr, "reason", err)
	}
}
