package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/crypto/ssh"
	"pss/remote/api"
	"pss/remote/identity"
	"pss/remote/planted"
)

// keyring are the SSH keys that the user has.
type keyring struct {
	plain  []*identity.Signer  // sign at once
	touch  []*identity.Signer  // each wants a touch
	locked []*identity.KeyFile // each wants a passphrase
}

// byKey proves with an SSH key: first with all that need nobody, then with one at a time.
func (p *prover) byKey(ctx context.Context) (*api.Enrolment, error) {
	ring, end, err := p.keyring(ctx)
	defer end()
	if err != nil {
		return nil, err
	}
	if len(ring.plain) > api.MaxProofs {
		p.note("%d keys more were left out; name the right one: PSS_KEY_FILE", len(ring.plain)-api.MaxProofs)
		ring.plain = ring.plain[:api.MaxProofs]
	}
	if len(ring.plain) > 0 {
		if e, err := p.proof(ctx, ring.plain...); e != nil || err != nil {
			return e, err
		}
	}
	for _, key := range ring.touch {
		if e, err := p.touched(ctx, key); e != nil || err != nil {
			return e, err
		}
	}
	for _, file := range ring.locked {
		key, err := p.unlock(ctx, file)
		if err != nil {
			return nil, err
		}
		if key == nil {
			continue
		}
		if e, err := p.proof(ctx, key); e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil
}

// touched proves with a security key, and tells whoever waits to touch it.
func (p *prover) touched(ctx context.Context, key *identity.Signer) (*api.Enrolment, error) {
	ctx, signed := context.WithCancel(ctx)
	defer signed()
	if p.who.asker != nil {
		go func() {
			_, _ = p.who.asker.ask(ctx, api.QuestionNotice, fmt.Sprintf("Touch your security key: %s for %s@%s", identity.Name(key.PublicKey()), p.user, p.k.shown()))
		}()
	}
	return p.proof(ctx, key)
}

// unlock asks for the passphrase of a key file; nil and nil: it stays locked.
func (p *prover) unlock(ctx context.Context, file *identity.KeyFile) (*identity.Signer, error) {
	if p.who.asker == nil {
		p.note("%s wants a passphrase, and there is no terminal to ask for it", file.Path)
		return nil, nil
	}
	for range passwordTries {
		passphrase, ok := p.who.ask(ctx, fmt.Sprintf("Passphrase for the key %s: ", file.Path))
		if !ok {
			break
		}
		key, err := file.Signer([]byte(passphrase))
		if !errors.Is(err, identity.ErrPassphrase) {
			return key, err
		}
	}
	p.note("%s was not unlocked", file.Path)
	return nil, ctx.Err()
}

// keyring finds the user's keys: those of the caller's ssh-agent, then files; or one
// alone, where it is named. end lets go of the ssh-agent.
func (p *prover) keyring(ctx context.Context) (ring keyring, end func(), err error) {
	held, end := p.agentKeys(ctx)
	named := p.who.env[api.VariableKeyFile]
	if named == "" {
		named = p.k.conf.KeyFile
	}
	if named != "" {
		err = p.named(&ring, held, named)
		return ring, end, err
	}
	for _, key := range held {
		ring.add(key)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ring, end, nil // there are no files of keys, then
	}
	for _, path := range identity.DefaultKeyFiles(home) {
		if err := ring.file(path, held); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.note("%v", err)
		}
	}
	if len(ring.plain)+len(ring.touch)+len(ring.locked) == 0 {
		p.note("no SSH key in ~/.ssh")
	}
	return ring, end, nil
}

// agentKeys returns the keys of the caller's ssh-agent.
func (p *prover) agentKeys(ctx context.Context) ([]*identity.Signer, func()) {
	socket := p.who.env["SSH_AUTH_SOCK"]
	if planted.On("agents-own-ssh-agent") {
		socket = os.Getenv("SSH_AUTH_SOCK")
	}
	if socket == "" {
		p.note("no ssh-agent: SSH_AUTH_SOCK is not set")
		return nil, func() {}
	}
	keys, end, err := identity.AgentSigners(ctx, socket)
	switch {
	case err != nil:
		p.note("no ssh-agent at SSH_AUTH_SOCK: %v", err)
	case len(keys) == 0:
		p.note("the ssh-agent holds no key")
	}
	return keys, end
}

// named leaves the key of one file alone, whether the file or an ssh-agent signs for it.
func (p *prover) named(ring *keyring, held []*identity.Signer, path string) error {
	file, err := identity.OpenKeyFile(path)
	if err == nil {
		if key := among(held, file.Public); key != nil {
			ring.add(key)
			return nil
		}
		err = ring.take(file)
	}
	if err != nil {
		return api.Errorf(api.CodeAccessDenied, "the key for %s cannot be used: %v", p.k.shown(), err).WithID("KeyFile").On(path).
			Hint("correct PSS_KEY_FILE, or key_file of [computers.%s] in config.toml", p.k.shown())
	}
	return nil
}

// file adds the key of a file, unless the ssh-agent holds it.
func (r *keyring) file(path string, held []*identity.Signer) error {
	file, err := identity.OpenKeyFile(path)
	if err != nil || among(held, file.Public) != nil {
		return err
	}
	return r.take(file)
}

// take adds the key of a file.
func (r *keyring) take(file *identity.KeyFile) error {
	if file.Locked {
		r.locked = append(r.locked, file)
		return nil
	}
	key, err := file.Signer(nil)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Path, err)
	}
	if among(r.plain, key.PublicKey()) == nil {
		r.add(key)
	}
	return nil
}

func (r *keyring) add(key *identity.Signer) {
	if key.Touch {
		r.touch = append(r.touch, key)
		return
	}
	r.plain = append(r.plain, key)
}

// among returns the one of keys that is this one, or nil.
func among(keys []*identity.Signer, wanted ssh.PublicKey) *identity.Signer {
	if wanted == nil {
		return nil
	}
	for _, key := range keys {
		if bytes.Equal(key.PublicKey().Marshal(), wanted.Marshal()) {
			return key
		}
	}
	return nil
}
