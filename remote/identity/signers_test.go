package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// privateFile writes a key in OpenSSH's own form.
func privateFile(t *testing.T, key any, passphrase string) string {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	require.NoError(t, err)
	return fileOf(t, pem.EncodeToMemory(block))
}

func fileOf(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, key := range map[string]any{"ED25519": ed, "ECDSA": ec, "RSA": long} {
		for _, passphrase := range []string{"", "open sesame"} {
			if passphrase != "" && name != "ED25519" {
				continue // the same work, which is made to be slow
			}
			f, err := OpenKeyFile(privateFile(t, key, passphrase))
			require.NoError(t, err, name)
			require.Equal(t, passphrase != "", f.Locked)
			require.NotNil(t, f.Public, "the file says whose it is without its passphrase")
			if f.Locked {
				_, err = f.Signer([]byte("wrong"))
				require.ErrorIs(t, err, ErrPassphrase)
			}
			s, err := f.Signer([]byte(passphrase))
			require.NoError(t, err)
			require.Equal(t, f.Public.Marshal(), s.PublicKey().Marshal())
			require.Equal(t, name+" "+ssh.FingerprintSHA256(f.Public)+" of "+f.Path, s.String())
			proof, err := Sign(s.Signer, []byte("message"))
			require.NoError(t, err, name)
			_, err = Verify(proof, []byte("message"))
			require.NoError(t, err, name)
			_, err = Verify(proof, []byte("another"))
			require.Error(t, err, name)
		}
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	path := privateFile(t, ed, "")
	require.NoError(t, os.Chmod(path, 0o640))
	_, err = OpenKeyFile(path)
	require.ErrorContains(t, err, "its mode 0640 lets others read it")
	_, err = OpenKeyFile(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenKeyFile(filepath.Dir(path))
	require.ErrorContains(t, err, "no private key")
	_, err = OpenKeyFile(fileOf(t, []byte("ssh-ed25519 AAAA")))
	require.ErrorContains(t, err, "no private key that pss can read")
	_, err = OpenKeyFile(fileOf(t, make([]byte, maxPrivate+1)))
	require.ErrorContains(t, err, "no private key")

	// Of a security key the file holds a handle only.
	public := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, make([]byte, 32), "ssh:"})
	body := append([]byte(keyMagic), ssh.Marshal(struct {
		Cipher, Kdf, Options string
		Keys                 uint32
		Public, Private      []byte
	}{"none", "none", "", 1, public, []byte("handle")})...)
	f, err := OpenKeyFile(fileOf(t, pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: body})))
	require.NoError(t, err)
	_, err = f.Signer(nil)
	require.ErrorIs(t, err, ErrTouchFile)
}

// A short RSA key proves nothing anywhere.
func TestShortKeyIsNoSigner(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	f, err := OpenKeyFile(privateFile(t, short, ""))
	require.NoError(t, err)
	_, err = f.Signer(nil)
	require.ErrorContains(t, err, "1024 bits")
}

// A key file may be anything: reading it ends.
func FuzzPublicPart(f *testing.F) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	block, err := ssh.MarshalPrivateKey(ed, "")
	require.NoError(f, err)
	f.Add(pem.EncodeToMemory(block))
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { publicPart(data) })
}
