package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
)

// trust is what the agent knows of hosts that it has met.
type trust struct {
	pins pins

	mu       sync.Mutex // guards what follows
	contacts map[string]*contact
	accepted map[string][]string // by address: the keys of hosts that a cmdlet of this life's has accepted
	met      map[string]bool     // addresses of hosts whose certificate an authority confirms
}

func newTrust(paths config.Paths) *trust {
	return &trust{pins: pins{path: paths.PinFile()}, contacts: map[string]*contact{}, accepted: map[string][]string{}, met: map[string]bool{}}
}

// contact is a first contact about which somebody is asked.
type contact struct {
	asker *asker
	done  chan struct{}
}

// callerOf returns on whose behalf ctx is; nil: nobody's.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// endpoint finds where the computer listens, and starts the user's own host if
// that is meant and does not run.
func (k *computer) endpoint(ctx context.Context) (client.Endpoint, error) {
	if !k.local {
		return k.farEndpoint(ctx)
	}
	info, err := k.a.ownHost(ctx)
	if err != nil {
		return client.Endpoint{}, err
	}
	return k.a.ownEndpoint(&info), nil
}

// ownEndpoint is where the user's own host takes requests. Its key stands in a file that
// nobody else can write: nothing else makes it trusted.
func (a *Agent) ownEndpoint(info *config.HostInfo) client.Endpoint {
	if info.Port == 0 {
		return client.Endpoint{Socket: a.paths.HostSocket()}
	}
	keys := info.Fingerprint
	if len(info.Fingerprints) > 0 {
		keys = strings.Join(info.Fingerprints, ",")
	}
	return client.Endpoint{Address: net.JoinHostPort(loopback(info.Address), strconv.Itoa(info.Port)), Fingerprint: keys}
}

// farAddress is where a computer listens that is reached by TLS.
func (k *computer) farAddress() string {
	address := k.conf.Address
	if address == "" {
		address = k.shown()
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), defaultPort)
	}
	return address
}

// farEndpoint is where a computer listens, and what makes its host trusted for whoever
// asks.
func (k *computer) farEndpoint(ctx context.Context) (client.Endpoint, error) {
	at := client.Endpoint{Address: k.farAddress()}
	var err error
	if at.Certificate, err = k.certificate(); err != nil {
		return at, err
	}
	t := &at.Trust
	t.Name, t.Asked, t.Explicit, t.From = k.shown(), k.asked(), client.Fingerprints(k.conf.Fingerprint), "config.toml"
	known, err := k.a.trust.pins.of(at.Address)
	if err != nil {
		return at, api.Errorf(api.CodeAccessDenied, "the keys of hosts that are remembered cannot be read: %v", err).
			WithID("ServerNotTrusted").On(k.shown()).Hint("correct or delete %s", k.a.paths.PinFile())
	}
	t.Pins, t.Since = known.Fingerprints, known.Since
	if t.Roots, err = k.authorities(); err != nil {
		return at, err
	}
	t.Closed = t.Roots != nil
	c := callerOf(ctx)
	if c == nil { // work that goes on: with those that a cmdlet has accepted
		t.Known = k.a.trust.acceptedAt(at.Address)
		return at, nil
	}
	told := c.told()
	if told.Fingerprint != "" {
		t.Explicit, t.From = client.Fingerprints(told.Fingerprint), "PSS_FINGERPRINT"
		if len(t.Explicit) == 0 {
			t.Explicit = []string{told.Fingerprint} // which is none: no host has it
		}
	}
	t.SkipCA, t.SkipCN = told.SkipCACheck, told.SkipCNCheck
	if told.AcceptNew {
		t.Accept = func(fingerprint string) error { return k.remember(c, at.Address, fingerprint) }
	}
	return at, nil
}

// authorities reads ca_file; nil: there is none.
func (k *computer) authorities() (*x509.CertPool, error) {
	if k.conf.CAFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(k.conf.CAFile)
	roots := x509.NewCertPool()
	if err == nil && !roots.AppendCertsFromPEM(data) {
		err = errors.New("it holds no certificate in PEM")
	}
	if err != nil {
		return nil, api.Errorf(api.CodeAccessDenied, "the authorities of %s cannot be read: %v", k.shown(), err).WithID("ServerNotTrusted").On(k.shown()).
			Hint("correct ca_file of %s in config.toml", client.ComputerSection(k.shown()))
	}
	return roots, nil
}

// remember pins the key of a host that was never seen, and says so.
func (k *computer) remember(c *caller, address, fingerprint string) error {
	fresh, ok, err := k.a.trust.pins.add(address, k.shown(), fingerprint)
	switch {
	case err != nil:
		return api.Errorf(api.CodeHome, "the key of %s cannot be remembered: %v", k.shown(), err).On(k.shown()).Hint("look at %s", k.a.paths.PinFile())
	case !ok:
		return api.Errorf(api.CodeAccessDenied, "the host at %s shows the key %s, and another one was remembered just now", address, fingerprint).
			WithID("ServerNotTrusted").On(address).Hint("try again; if it stays so, somebody stands between")
	}
	if !fresh {
		return nil // another cmdlet was faster, and has said so
	}
	c.note(api.Notice{ID: "HostKeyRemembered", Target: k.shown(),
		Text: fmt.Sprintf("The key of %s (%s) was not known and is remembered from now on: %s", k.shown(), address, fingerprint)})
	return nil
}

// terms names for whom a connection to the computer may be used: for those who say the
// same of its host.
func (k *computer) terms(ctx context.Context) string {
	c := callerOf(ctx)
	if c == nil {
		return "nobody"
	}
	told := c.told()
	return fmt.Sprintf("%s %t %t", told.Fingerprint, told.SkipCACheck, told.SkipCNCheck)
}

// seen takes up what an answer tells of the computer's host.
func (k *computer) seen(ctx context.Context, by net.Conn, header http.Header) {
	v := client.VerdictOf(by)
	if v == nil {
		return
	}
	c, t := callerOf(ctx), k.a.trust
	if c != nil {
		t.accept(v.Address, v.Fingerprint)
	}
	if c != nil && v.Skipped != "" {
		c.note(api.Notice{ID: "CertificateCheckSkipped", Target: k.shown(),
			Text: fmt.Sprintf("The certificate of %s (%s) is not checked as it should be, and would be refused: %s", k.shown(), v.Address, v.Skipped)})
	}
	all := header.Get(api.HeaderFingerprints)
	if all == "" {
		return
	}
	announced := announcedKeys(all, v.Fingerprint)
	switch v.By {
	case client.ByPin, client.ByAccepting:
		if err := t.pins.learn(v.Address, v.Fingerprint, announced); err != nil {
			k.a.log.Warn("keys not remembered", "computer", k.name, "error", err)
		}
	case client.ByKnown:
		t.accept(v.Address, announced...)
	case client.ByFingerprint:
		fresh := slices.ContainsFunc(announced, func(f string) bool { return !slices.Contains(v.Explicit, f) })
		if fresh && c != nil {
			c.note(api.Notice{ID: "HostKeyChanges", Target: k.shown(), Text: fmt.Sprintf("The host of %s changes its key. Write all that it has into %s, or it will be refused: fingerprint = %q",
				k.shown(), v.From, strings.Join(announced, ","))})
		}
	}
}

// accept notes keys of the host at address that a cmdlet has accepted.
func (t *trust) accept(address string, keys ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range keys {
		if !slices.Contains(t.accepted[address], f) {
			t.accepted[address] = append(slices.Clone(t.accepted[address]), f)
		}
	}
}

func (t *trust) acceptedAt(address string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.accepted[address]
}

// meet makes sure, before the time of a request begins to run, that the computer's host
// is known to whoever asks: at first contact somebody may have to be asked.
func (k *computer) meet(ctx context.Context) error {
	c := callerOf(ctx)
	if c == nil || !c.told().Ask || c.told().ID == "" || c.told().AcceptNew {
		return nil
	}
	at, err := k.farEndpoint(ctx)
	if err != nil || at.Trust.Decided() || k.a.trust.hasMet(at.Address) {
		return err
	}
	conn, err := k.connect(ctx)
	var unknown *client.UnknownHost
	switch {
	case err == nil:
		if client.VerdictOf(conn).By == client.ByAuthority {
			k.a.trust.meets(at.Address, true)
		}
		return conn.Close()
	case !errors.As(err, &unknown):
		return err
	}
	return k.firstContact(ctx, c, unknown)
}

func (t *trust) hasMet(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.met[address]
}

func (t *trust) meets(address string, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.met[address] = yes
}

// firstContact asks whether the key of a host is right, and remembers it then. Those who
// meet the same host meanwhile wait for the answer.
func (k *computer) firstContact(ctx context.Context, c *caller, unknown *client.UnknownHost) error {
	t, me := k.a.trust, k.a.askers.of(c.told().ID, c.gone)
	key := unknown.Address + " " + unknown.Fingerprint
	for {
		t.mu.Lock()
		other := t.contacts[key]
		if other == nil {
			other = &contact{asker: me, done: make(chan struct{})}
			t.contacts[key] = other
			t.mu.Unlock()
			defer func() {
				t.mu.Lock()
				delete(t.contacts, key)
				t.mu.Unlock()
				close(other.done)
			}()
			return k.askFirst(ctx, c, me, unknown)
		}
		t.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if known, err := t.pins.of(unknown.Address); err != nil || slices.Contains(known.Fingerprints, unknown.Fingerprint) {
			return err
		}
		if other.asker == me { // who said no says so once
			return unknown.Refusal
		}
	}
}

func (k *computer) askFirst(ctx context.Context, c *caller, me *asker, unknown *client.UnknownHost) error {
	answer, err := me.ask(ctx, api.QuestionConfirm, fmt.Sprintf(
		"The host of %s (%s) is not known. Its key has the fingerprint\n%s\n'pss host' prints it there. Trust this key and remember it?",
		k.shown(), unknown.Address, unknown.Fingerprint))
	if err != nil {
		return err
	}
	if answer.Cancelled || !isYes(answer.Text) {
		return unknown.Refusal
	}
	_, ok, err := k.a.trust.pins.add(unknown.Address, k.shown(), unknown.Fingerprint)
	if err == nil && !ok {
		return unknown.Refusal
	}
	return err
}

// handleForgetKey forgets the keys that are remembered of a computer's host.
func (a *Agent) handleForgetKey(_ http.ResponseWriter, r *http.Request, _ *clientSession) (any, error) {
	a.mu.Lock()
	k := a.computerLocked(r.URL.Query().Get(api.QueryComputer))
	a.mu.Unlock()
	if k.local || k.link != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "no key is remembered for %s: it is not reached by TLS, or is this computer's own host", k.shown()).On(k.shown()).
			Hint("ssh keeps its own: ssh-keygen -R HOST")
	}
	address := k.farAddress()
	if err := a.trust.pins.forget(address); err != nil {
		return nil, api.Errorf(api.CodeHome, "the key of %s cannot be forgotten: %v", k.shown(), err).On(k.shown()).Hint("look at %s", a.paths.PinFile())
	}
	a.trust.mu.Lock()
	delete(a.trust.accepted, address)
	a.trust.mu.Unlock()
	k.closeIdle()
	return struct{}{}, nil
}
