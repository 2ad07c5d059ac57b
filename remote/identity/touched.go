package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"math/big"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"pss/remote/planted"
)

// The flags of a security key's signature (OpenSSH, PROTOCOL.u2f).
const (
	userPresent  = 1 << 0 // it was touched
	userVerified = 1 << 2 // it was told a PIN, or saw the finger
)

// skTail stands behind a security key's signature.
type skTail struct {
	Flags   byte
	Counter uint32
}

func securityKey(key ssh.PublicKey) bool {
	return key.Type() == ssh.KeyAlgoSKED25519 || key.Type() == ssh.KeyAlgoSKECDSA256
}

// verifyTouched checks the signature of a security key and what its flags say. The ssh
// package refuses every signature without a touch, and no-touch-required allows them:
// so it is done here.
func verifyTouched(key ssh.PublicKey, sig *sshsig.Signature, message []byte, d Demands) error {
	var tail skTail
	if err := ssh.Unmarshal(sig.Signature.Rest, &tail); err != nil {
		return err
	}
	if tail.Flags&userPresent == 0 && !d.NoTouch && !planted.On("touch-not-demanded") {
		return errors.New("the security key was not touched")
	}
	if tail.Flags&userVerified == 0 && d.Verified {
		return errors.New("the security key did not verify its user")
	}
	application, err := applicationOf(key)
	if err != nil {
		return err
	}
	sum := sha512.Sum512(message)
	data := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{
		sig.Namespace, "", sshsig.HashSHA512.String(), string(sum[:]),
	})...)
	app, over := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	signed := ssh.Marshal(struct {
		App     [32]byte
		Flags   byte
		Counter uint32
		Value   [32]byte
	}{app, tail.Flags, tail.Counter, over})
	if !verifyRaw(key, signed, sig.Signature.Blob) {
		return errors.New("the signature is not the key's")
	}
	return nil
}

// applicationOf returns the application that a security key is for, mostly "ssh:".
func applicationOf(key ssh.PublicKey) (string, error) {
	if key.Type() == ssh.KeyAlgoSKED25519 {
		var w struct {
			Type        string
			Key         []byte
			Application string
		}
		err := ssh.Unmarshal(key.Marshal(), &w)
		return w.Application, err
	}
	var w struct {
		Type, Curve string
		Point       []byte
		Application string
	}
	err := ssh.Unmarshal(key.Marshal(), &w)
	return w.Application, err
}

// verifyRaw checks the signature inside that of a security key.
func verifyRaw(key ssh.PublicKey, signed, blob []byte) bool {
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return false
	}
	switch k := c.CryptoPublicKey().(type) {
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize && ed25519.Verify(k, signed, blob)
	case *ecdsa.PublicKey:
		var s struct{ R, S *big.Int }
		sum := sha256.Sum256(signed)
		return ssh.Unmarshal(blob, &s) == nil && ecdsa.Verify(k, sum[:], s.R, s.S)
	}
	return false
}
