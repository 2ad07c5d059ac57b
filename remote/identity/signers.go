package identity

import (
	"context"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"pss/remote/planted"
	"pss/remote/platform"
)

// Signer is a key of the user's own that may prove who they are.
type Signer struct {
	ssh.Signer
	From  string // where it was found, for people
	Touch bool   // it is a security key's: each use wants a touch
}

// String names the key as ssh-keygen -l does, and where it was found.
func (s *Signer) String() string { return Name(s.PublicKey()) + " of " + s.From }

// Name names a key as ssh-keygen -l does: ED25519 SHA256:….
func Name(key ssh.PublicKey) string {
	kind := strings.TrimSuffix(key.Type(), "@openssh.com")
	for prefix, name := range map[string]string{"ssh-ed25519": "ED25519", "ssh-rsa": "RSA", "ecdsa-": "ECDSA", "sk-ssh-": "ED25519-SK", "sk-ecdsa-": "ECDSA-SK"} {
		if strings.HasPrefix(kind, prefix) {
			kind = name
			break
		}
	}
	return kind + " " + ssh.FingerprintSHA256(key)
}

const (
	// agentTime bounds what an ssh-agent may take to list its keys.
	agentTime = 5 * time.Second
	// maxPrivate bounds a private key's file in bytes.
	maxPrivate = 64 << 10
)

// AgentSigners returns the keys that the ssh-agent at socket holds and that may prove
// something, and what ends the connection to it. Signing waits until ctx ends, for a touch
// or a confirmation.
func AgentSigners(ctx context.Context, socket string) ([]*Signer, func(), error) {
	listing, cancel := context.WithTimeout(ctx, agentTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(listing, "unix", socket)
	if err != nil {
		return nil, func() {}, err
	}
	_ = conn.SetDeadline(time.Now().Add(agentTime)) // a connection that takes none ends with its peer
	all, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return nil, func() {}, err
	}
	_ = conn.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	var keys []*Signer
	for _, s := range all {
		if usable(s.PublicKey()) == nil { // neither certificates nor short keys
			keys = append(keys, &Signer{Signer: s, From: "ssh-agent", Touch: securityKey(s.PublicKey())})
		}
	}
	return keys, func() { stop(); conn.Close() }, nil
}

// KeyFile is a private key's file.
type KeyFile struct {
	Path   string
	Public ssh.PublicKey // nil: it cannot be told without the passphrase
	Locked bool          // a passphrase is needed
	data   []byte
}

// DefaultKeyFiles are the files that hold a user's keys unless something else is said.
func DefaultKeyFiles(home string) []string {
	var paths []string
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"} {
		paths = append(paths, filepath.Join(home, ".ssh", name))
	}
	return paths
}

// Errors of key files.
var (
	// ErrPassphrase says that a passphrase is wrong.
	ErrPassphrase = errors.New("the passphrase is wrong")
	// ErrTouchFile is the file of a security key, which only an ssh-agent can use.
	ErrTouchFile = errors.New("the key of a security key can be used through an ssh-agent only: ssh-add it")
)

// OpenKeyFile reads a private key's file, without its passphrase. It refuses one that
// others may read, as ssh does.
func OpenKeyFile(path string) (*KeyFile, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() || st.Size() > maxPrivate:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no private key")}
	case platform.OthersMayRead(st) && !planted.On("open-key-file"):
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("its mode %04o lets others read it; chmod 600 it", st.Mode().Perm())}
	}
	k := &KeyFile{Path: path}
	if k.data, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	k.Public = publicPart(k.data)
	_, err = ssh.ParseRawPrivateKey(k.data)
	var locked *ssh.PassphraseMissingError
	switch {
	case k.Public != nil && securityKey(k.Public):
	case errors.As(err, &locked):
		k.Locked = true
	case err != nil:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no private key that pss can read")}
	}
	return k, nil
}

// Signer returns the key; passphrase is nil for one that is not locked.
func (k *KeyFile) Signer(passphrase []byte) (*Signer, error) {
	if k.Public != nil && securityKey(k.Public) {
		return nil, ErrTouchFile
	}
	var raw any
	var err error
	if k.Locked {
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(k.data, passphrase)
	} else {
		raw, err = ssh.ParseRawPrivateKey(k.data)
	}
	if err != nil {
		if k.Locked {
			return nil, ErrPassphrase
		}
		return nil, err
	}
	if r, ok := raw.(*rsa.PrivateKey); ok {
		r.Precompute()
	}
	s, err := ssh.NewSignerFromKey(raw)
	if err == nil {
		err = usable(s.PublicKey())
	}
	if err != nil {
		return nil, err
	}
	return &Signer{Signer: s, From: k.Path}, nil
}

// keyMagic begins the private keys of OpenSSH's own form.
const keyMagic = "openssh-key-v1\x00"

// publicPart returns the public key that OpenSSH's own form has in the clear, or nil.
func publicPart(data []byte) ssh.PublicKey {
	block, _ := pem.Decode(data)
	if block == nil || !strings.HasPrefix(string(block.Bytes), keyMagic) {
		return nil
	}
	var w struct {
		Cipher, Kdf, KdfOptions string
		Keys                    uint32
		Public                  []byte
		Rest                    []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(block.Bytes[len(keyMagic):], &w) != nil {
		return nil
	}
	key, err := ssh.ParsePublicKey(w.Public)
	if err != nil {
		return nil
	}
	return key
}
