package identity

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"pss/remote/api"
	"pss/remote/planted"
)

const (
	// Label is that of the exported keying material that a proof contains.
	Label = "EXPORTER-pss-auth-v1"
	// Namespace is that of a proof's SSHSIG: a signature made for a file, or for git,
	// is no proof.
	Namespace = "auth@pss"
	// NonceSize is the length of a challenge's nonce and of the exported keying material.
	NonceSize = 32

	version   = "pss-auth-v1"
	minRSA    = 2048
	maxKey    = 8 << 10 // bytes of a public key; an RSA key of 16384 bits has 2 KiB
	maxProven = 16 << 10
)

// Binding is what a proof ties together: a user, a key and one TLS connection.
type Binding struct {
	Exported  []byte // Export of the connection
	Nonce     []byte
	ServerKey []byte // SHA-256 of the SPKI that the server shows
	Host      string // as dialled, without its port
	User      string
	ClientKey []byte    // SHA-256 of the SPKI of the client's TLS certificate; empty: it showed none
	Expiry    time.Time // whole seconds
}

// Message returns what is signed.
func (b *Binding) Message() []byte {
	var out []byte
	exported := b.Exported
	if planted.On("proof-of-any-connection") {
		exported = nil
	}
	for _, s := range [][]byte{
		[]byte(version), exported, b.Nonce, b.ServerKey, []byte(b.Host), []byte(b.User), b.ClientKey,
		strconv.AppendInt(nil, b.Expiry.Unix(), 10),
	} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}

// Export returns the keying material of a connection for a nonce. Both ends of one
// connection get the same, and nobody else does.
func Export(state *tls.ConnectionState, nonce []byte) ([]byte, error) {
	if state == nil || state.Version != tls.VersionTLS13 {
		return nil, errors.New("keys are proved on TLS 1.3 only")
	}
	return state.ExportKeyingMaterial(Label, nonce, NonceSize)
}

// Sign proves the signer's key for a message. A signer of an ssh-agent may ask for a
// touch meanwhile. RSA keys sign with SHA-512.
func Sign(signer ssh.Signer, message []byte) (api.KeyProof, error) {
	if err := usable(signer.PublicKey()); err != nil {
		return api.KeyProof{}, err
	}
	sig, err := sshsig.Sign(bytes.NewReader(message), signer, sshsig.HashSHA512, Namespace)
	if err != nil {
		return api.KeyProof{}, err
	}
	// An old ssh-agent ignores the wish and signs with SHA-1.
	if err := modern(sig.PublicKey, sig.Signature); err != nil {
		return api.KeyProof{}, err
	}
	return api.KeyProof{PublicKey: sig.PublicKey.Marshal(), Signature: sig.Marshal()}, nil
}

// Verify returns the key that p proves for the message. A security key must have been
// touched.
func Verify(p api.KeyProof, message []byte) (ssh.PublicKey, error) {
	return VerifyFor(p, message, Demands{})
}

// Demands is what authorized_keys says of a security key's signatures.
type Demands struct {
	NoTouch  bool // one without a touch will do
	Verified bool // by PIN or fingerprint
}

// VerifyFor is Verify with the demands of the key's line in authorized_keys, which count
// for security keys only.
func VerifyFor(p api.KeyProof, message []byte, d Demands) (ssh.PublicKey, error) {
	if len(p.PublicKey) > maxKey || len(p.Signature) > maxProven {
		return nil, errors.New("the proof is too long")
	}
	key, err := ParseKey(p.PublicKey)
	if err != nil {
		return nil, err
	}
	sig, err := sshsig.ParseSignature(p.Signature)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sig.PublicKey.Marshal(), p.PublicKey) {
		return nil, sshsig.ErrPublicKeyMismatch
	}
	if sig.HashAlgorithm != sshsig.HashSHA512 {
		return nil, fmt.Errorf("the proof has the hash %s, not SHA-512", sig.HashAlgorithm)
	}
	if sig.Namespace != Namespace && !planted.On("proof-of-any-namespace") {
		return nil, sshsig.ErrNamespaceMismatch
	}
	if err := modern(key, sig.Signature); err != nil {
		return nil, err
	}
	if securityKey(key) {
		return key, verifyTouched(key, sig, message, d)
	}
	return key, sshsig.Verify(bytes.NewReader(message), sig, key, sshsig.HashSHA512, sig.Namespace)
}

// ParseKey reads a public key in SSH's wire format and refuses those that prove nothing
// here: certificates, DSA, short RSA keys, and kinds that OpenSSH does not know.
func ParseKey(wire []byte) (ssh.PublicKey, error) {
	if len(wire) > maxKey {
		return nil, errors.New("the key is too long")
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, err
	}
	if err := usable(key); err != nil {
		return nil, err
	}
	if !bytes.Equal(key.Marshal(), wire) {
		return nil, errors.New("the key is not in its usual form")
	}
	return key, nil
}

// usable refuses the kinds of keys that prove nothing here.
func usable(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(key); bits < minRSA && !planted.On("short-rsa-taken") {
			return fmt.Errorf("the RSA key has %d bits, fewer than %d", bits, minRSA)
		}
		return nil
	}
	return fmt.Errorf("keys of type %s are not taken", key.Type())
}

// rsaBits is the length of an RSA key; 0: it cannot be told.
func rsaBits(key ssh.PublicKey) int {
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok { // the key of an ssh-agent
		parsed, err := ssh.ParsePublicKey(key.Marshal())
		if err != nil {
			return 0
		}
		c, ok = parsed.(ssh.CryptoPublicKey)
		if !ok {
			return 0
		}
	}
	if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
		return k.N.BitLen()
	}
	return 0
}

// modern refuses a signature that is not of the key's own kind, or SHA-1's.
func modern(key ssh.PublicKey, sig *ssh.Signature) error {
	if key.Type() == ssh.KeyAlgoRSA {
		if sig.Format == ssh.KeyAlgoRSASHA512 || sig.Format == ssh.KeyAlgoRSASHA256 {
			return nil
		}
		return fmt.Errorf("the RSA signature is %s, not SHA-2's", sig.Format)
	}
	if sig.Format != key.Type() {
		return fmt.Errorf("a signature %s is not of a key %s", sig.Format, key.Type())
	}
	return nil
}
