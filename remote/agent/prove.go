package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
	"pss/remote/planted"
	"pss/remote/platform"
)

const (
	// proveTime bounds a proof as a whole, all questions included.
	proveTime = 10 * time.Minute
	// passwordTries is how often a password, or a passphrase, is asked for.
	passwordTries = 3
	// noProofsLife is how long it is believed of a host that it takes no proofs.
	noProofsLife = time.Minute
	// maxPassword bounds the file of a password in bytes.
	maxPassword = 4096
)

// person is on whose behalf something is proved.
type person struct {
	env   map[string]string
	asker *asker // nil: nobody can be asked
}

// person is behind a request; nil: it is work in the background.
func (k *computer) person(ctx context.Context) *person {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return nil
	}
	told := c.told()
	who := &person{env: told.Env}
	if told.Ask && told.ID != "" {
		who.asker = k.a.askers.of(told.ID, c.gone)
	}
	return who
}

// ask asks for a secret; ok is false if there is none.
func (w *person) ask(ctx context.Context, text string) (secret string, ok bool) {
	if w.asker == nil {
		return "", false
	}
	answer, err := w.asker.ask(ctx, api.QuestionSecret, text)
	return answer.Text, err == nil && !answer.Cancelled
}

// prover proves to a host who somebody is.
type prover struct {
	k         *computer
	who       *person
	user      string
	expiry    time.Time
	line      *client.Line
	challenge *api.Challenge // of line, not yet answered
	methods   []string       // that the host takes
	tried     []string       // in vain; for people
	keys      int            // how many the host was shown
}

// prove makes the host take our TLS key for the user.
func (k *computer) prove(ctx context.Context, who *person) error {
	ctx, cancel := context.WithTimeout(ctx, proveTime)
	defer cancel()
	p := &prover{k: k, who: who, user: k.user(), expiry: time.Now().Add(api.MaxEnrolment).UTC().Truncate(time.Second)}
	defer p.drop()
	enrolment, err := p.run(ctx)
	switch {
	case errors.Is(err, errNoProofs):
		enrolment = &api.Enrolment{Until: time.Now().Add(noProofsLife)}
	case err != nil:
		return err
	}
	k.proofs.enrolled(enrolment, p.line.Take(), time.Now())
	p.line = nil
	return nil
}

// run tries the ways that the user has and the host takes.
func (p *prover) run(ctx context.Context) (*api.Enrolment, error) {
	if err := p.ask(ctx); err != nil {
		return nil, err
	}
	auth := p.k.target.Authentication
	if slices.Contains(p.methods, api.MethodPublicKey) && (auth == "" || auth == api.MethodPublicKey) {
		if e, err := p.byKey(ctx); e != nil || err != nil {
			return e, err
		}
	}
	if slices.Contains(p.methods, api.MethodPassword) && (auth == "" || auth == api.AuthenticationBasic) {
		if e, err := p.byPassword(ctx); e != nil || err != nil {
			return e, err
		}
	}
	return nil, p.refused()
}

// ask gets a challenge on a line that is open.
func (p *prover) ask(ctx context.Context) (err error) {
	for try := 0; p.challenge == nil; try++ {
		if p.line == nil {
			there, arrived := meeting(ctx)
			conn, err := p.k.connectNew(there)
			arrived()
			if err != nil {
				return err
			}
			p.line = client.OpenLine(conn)
		}
		p.challenge, err = p.line.Challenge(ctx, &api.ChallengeRequest{User: p.user})
		switch {
		case err == nil && len(p.challenge.Nonce) != identity.NonceSize:
			return errNoProofs // it answers everything
		case err == nil:
			p.methods = p.challenge.Methods
			continue
		case client.IsLineEnded(err) && try == 0:
			p.drop()
		case api.IsCode(err, api.CodeVersion):
			return errNoProofs
		case api.IsCode(err, api.CodeAccessDenied):
			return p.refused() // an older host, which knows tokens only
		default:
			return p.unanswered(err)
		}
		p.challenge = nil
	}
	return nil
}

type meetingKey struct{}

// meetWithin bounds in ctx each connection on which something is proved: a session option
// says how long a computer may take to answer, and whoever is asked there may take longer.
func meetWithin(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, meetingKey{}, limit)
}

// meeting is ctx for one connection.
func meeting(ctx context.Context) (context.Context, context.CancelFunc) {
	if limit, ok := ctx.Value(meetingKey{}).(time.Duration); ok {
		return context.WithTimeout(ctx, limit)
	}
	return ctx, func() {}
}

// errNoProofs says that whatever answers takes no proofs: it says itself what it makes of a
// request without one.
var errNoProofs = errors.New("no proofs are taken")

// drop ends the line.
func (p *prover) drop() {
	if p.line != nil {
		p.line.Close()
	}
	p.line, p.challenge = nil, nil
}

// unanswered is the error of a line that broke: nothing was changed by it.
func (p *prover) unanswered(err error) error {
	if client.IsBroken(err) {
		return p.k.lost("GET", err)
	}
	return err
}

// proof answers a challenge with keys; nil and nil: the host takes none of them.
func (p *prover) proof(ctx context.Context, keys ...*identity.Signer) (*api.Enrolment, error) {
	for try := 0; ; try++ {
		if err := p.ask(ctx); err != nil {
			return nil, err
		}
		req, err := p.request(keys)
		if err != nil || len(req.Proofs) == 0 {
			return nil, err
		}
		p.challenge = nil
		e, err := p.line.Prove(ctx, req)
		switch {
		case err == nil:
			return e, nil
		case api.IsCode(err, api.CodeAccessDenied):
			p.keys += len(req.Proofs)
			return nil, nil
		case client.IsLineEnded(err) && try == 0: // a touch may take longer than a host waits
			p.drop()
			continue
		}
		return nil, p.unanswered(err)
	}
}

// request signs for the present challenge with each key. One that cannot sign is noted.
func (p *prover) request(keys []*identity.Signer) (*api.ProofRequest, error) {
	state := p.line.State()
	exported, err := identity.Export(state, p.challenge.Nonce)
	if err != nil {
		return nil, err
	}
	at, err := p.k.dialled()
	if err != nil {
		return nil, err
	}
	b := identity.Binding{
		Exported: exported, Nonce: p.challenge.Nonce, ServerKey: identity.KeySum(state.PeerCertificates[0]), Host: at, User: p.user,
		ClientKey: identity.KeySum(p.k.proofs.shown.Leaf), Expiry: p.expiry,
	}
	req := &api.ProofRequest{User: p.user, Host: at, Nonce: p.challenge.Nonce, Expiry: p.expiry}
	message := b.Message()
	for _, key := range keys {
		proof, err := identity.Sign(key.Signer, message)
		if err != nil {
			p.note("%s does not sign: %v", key, err)
			continue
		}
		req.Proofs = append(req.Proofs, proof)
		p.note("%s", key)
	}
	return req, nil
}

// dialled is the host's name as it is dialled, without its port.
func (k *computer) dialled() (string, error) {
	at, err := k.endpoint(context.Background()) // which asks nobody: it is not our own host
	if err != nil {
		return "", err
	}
	host, _, err := net.SplitHostPort(at.Address)
	return host, err
}

func (p *prover) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.tried, text) {
		p.tried = append(p.tried, text)
	}
}

// byPassword proves with the password of a file, or one that somebody types.
func (p *prover) byPassword(ctx context.Context) (*api.Enrolment, error) {
	if path := p.who.env[api.VariablePasswordFile]; path != "" {
		password, err := readPassword(path)
		if err != nil {
			return nil, err
		}
		p.note("the password of %s", path)
		return p.password(ctx, password)
	}
	if p.who.asker == nil {
		p.note("no password: there is no terminal to ask for it")
		return nil, nil
	}
	for range passwordTries {
		password, ok := p.who.ask(ctx, fmt.Sprintf("%s@%s's password: ", p.user, p.k.shown()))
		if !ok {
			p.note("no password was typed")
			return nil, ctx.Err()
		}
		if e, err := p.password(ctx, password); e != nil || err != nil {
			return e, err
		}
	}
	p.note("%d passwords", passwordTries)
	return nil, nil
}

// password tries one; nil and nil: it is not the user's.
func (p *prover) password(ctx context.Context, password string) (*api.Enrolment, error) {
	for try := 0; ; try++ {
		if p.line == nil {
			if err := p.ask(ctx); err != nil {
				return nil, err
			}
		}
		e, err := p.line.Password(ctx, &api.PasswordRequest{User: p.user, Password: password, Expiry: p.expiry})
		switch {
		case err == nil:
			return e, nil
		case api.IsCode(err, api.CodeAccessDenied):
			return nil, nil
		case client.IsLineEnded(err) && try == 0:
			p.drop()
			continue
		}
		return nil, p.unanswered(err)
	}
}

// readPassword reads the first line of a file that nobody else may read.
func readPassword(path string) (string, error) {
	wrong := func(format string, args ...any) error {
		return api.Errorf(api.CodeAccessDenied, "the password of %s cannot be used: %s", path, fmt.Sprintf(format, args...)).
			WithID("PasswordFile").On(path).Hint("%s names a file of mode 600 whose first line is the password", api.VariablePasswordFile)
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return "", wrong("%v", err)
	case platform.OthersMayRead(st) && !planted.On("open-password-file"):
		return "", wrong("its mode %04o lets others read it", st.Mode().Perm())
	case st.Size() > maxPassword:
		return "", wrong("it is too long")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", wrong("%v", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", wrong("its first line is empty")
	}
	return line, nil
}

// refused is the error for somebody who could not prove who they are. It says what was
// tried on our side; the host tells nobody why it refuses.
func (p *prover) refused() error {
	what := "nothing was left to try"
	if len(p.tried) > 0 {
		what = strings.Join(p.tried, "; ")
	}
	e := api.Errorf(api.CodeAccessDenied, "[%s] access is denied to %s. Tried: %s", p.k.shown(), p.user, what).
		WithID("AccessDenied").On(p.k.shown())
	switch {
	case p.methods == nil:
		return e.Hint("the host takes its own token only: write token_file of [computers.%s] into config.toml, or update pss there", p.k.shown())
	case p.keys > 0:
		return e.Hint("append your public key's line (ssh-add -L, or the .pub file) to ~%s/.ssh/authorized_keys there, or name another user: --credential USER", p.user)
	case slices.Contains(p.methods, api.MethodPublicKey):
		return e.Hint("make a key (ssh-keygen), append its .pub line to ~%s/.ssh/authorized_keys there, and give the key to an ssh-agent (ssh-add) or name it in PSS_KEY_FILE", p.user)
	}
	return e.Hint("the host takes: %s", strings.Join(p.methods, ", "))
}
