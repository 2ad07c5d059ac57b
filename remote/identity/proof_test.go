package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"pss/remote/api"
)

// TestMain makes the test binary the process that reads a key file as its owner.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == KeyFileCommand {
		if err := ReadKeyFile(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestMessageIsTheDocumentedOne(t *testing.T) {
	b := Binding{
		Exported: []byte("E"), Nonce: []byte("NN"), ServerKey: []byte("S"), Host: "server01", User: "alice",
		Expiry: time.Unix(1700000000, 0),
	}
	want := "\x00\x00\x00\x0bpss-auth-v1\x00\x00\x00\x01E\x00\x00\x00\x02NN\x00\x00\x00\x01S\x00\x00\x00\x08server01\x00\x00\x00\x05alice\x00\x00\x00\x00\x00\x00\x00\x0a1700000000"
	assert.Equal(t, want, string(b.Message()))
	// No part can be moved into its neighbour.
	c := b
	c.Host, c.User = "server01a", "lice"
	assert.NotEqual(t, b.Message(), c.Message())
}

// sshKeys makes keys with ssh-keygen, by their names.
func sshKeys(t *testing.T) map[string]ssh.Signer {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("no ssh-keygen")
	}
	dir := t.TempDir()
	keys := map[string]ssh.Signer{}
	for _, k := range [][2]string{{"ed25519", ""}, {"ecdsa", "256"}, {"ecdsa", "384"}, {"ecdsa", "521"}, {"rsa", "2048"}, {"rsa", "1024"}} {
		path := filepath.Join(dir, k[0]+k[1])
		args := []string{"-q", "-N", "", "-t", k[0], "-f", path}
		if k[1] != "" {
			args = append(args, "-b", k[1])
		}
		if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
			require.Equal(t, "rsa1024", k[0]+k[1], "%s", out)
			continue // a system may refuse to make short keys
		}
		pem, err := os.ReadFile(path)
		require.NoError(t, err)
		s, err := ssh.ParsePrivateKey(pem)
		require.NoError(t, err)
		keys[k[0]+k[1]] = s
	}
	return keys
}

func TestEveryKindOfKeyProves(t *testing.T) {
	message := []byte("a message")
	for name, s := range sshKeys(t) {
		p, err := Sign(s, message)
		if name == "rsa1024" {
			require.ErrorContains(t, err, "1024 bits", name)
			continue
		}
		require.NoError(t, err, name)
		key, err := Verify(p, message)
		require.NoError(t, err, name)
		assert.Equal(t, s.PublicKey().Marshal(), key.Marshal(), name)
		_, err = Verify(p, []byte("another"))
		assert.Error(t, err, name)
		other, err := Sign(sshKeyOf(t), message)
		require.NoError(t, err)
		_, err = Verify(api.KeyProof{PublicKey: other.PublicKey, Signature: p.Signature}, message)
		assert.ErrorIs(t, err, sshsig.ErrPublicKeyMismatch, name)
	}
}

func sshKeyOf(t *testing.T) ssh.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(k)
	require.NoError(t, err)
	return s
}

// A real ssh-agent signs, RSA with SHA-2.
func TestKeysOfAnSSHAgent(t *testing.T) {
	if _, err := exec.LookPath("ssh-agent"); err != nil {
		t.Skip("no ssh-agent")
	}
	dir, err := os.MkdirTemp("/tmp", "psa")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	cmd := exec.Command("ssh-agent", "-D", "-a", dir+"/s")
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var conn net.Conn
	require.Eventually(t, func() bool { conn, err = net.Dial("unix", dir+"/s"); return err == nil }, 10*time.Second, 10*time.Millisecond)
	defer conn.Close()
	a := agent.NewClient(conn)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, k := range []any{rsaKey, ecKey, &edKey} {
		require.NoError(t, a.Add(agent.AddedKey{PrivateKey: k}))
	}
	signers, err := a.Signers()
	require.NoError(t, err)
	require.Len(t, signers, 3)
	for _, s := range signers {
		p, err := Sign(s, []byte("m"))
		require.NoError(t, err, s.PublicKey().Type())
		_, err = Verify(p, []byte("m"))
		assert.NoError(t, err, s.PublicKey().Type())
	}
}

// oldAgent signs with SHA-1 whatever it is asked for.
type oldAgent struct{ ssh.AlgorithmSigner }

// SignWithAlgorithm ignores the algorithm.
func (o oldAgent) SignWithAlgorithm(r io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	return o.AlgorithmSigner.SignWithAlgorithm(r, data, ssh.KeyAlgoRSA)
}

func TestWhatProvesNothing(t *testing.T) {
	m := []byte("m")
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rs, err := ssh.NewSignerFromKey(k)
	require.NoError(t, err)
	_, err = Sign(oldAgent{rs.(ssh.AlgorithmSigner)}, m)
	require.ErrorContains(t, err, "SHA-2")
	sig, err := sshsig.Sign(bytes.NewReader(m), oldAgent{rs.(ssh.AlgorithmSigner)}, sshsig.HashSHA512, Namespace)
	require.NoError(t, err)
	_, err = Verify(api.KeyProof{PublicKey: rs.PublicKey().Marshal(), Signature: sig.Marshal()}, m)
	require.Error(t, err, "SHA-1")

	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	shortSigner, err := ssh.NewSignerFromKey(short)
	require.NoError(t, err)
	_, err = ParseKey(shortSigner.PublicKey().Marshal())
	require.ErrorContains(t, err, "1024 bits")

	ed := sshKeyOf(t)
	for _, f := range []struct {
		namespace string
		hash      sshsig.HashAlgorithm
	}{{"file", sshsig.HashSHA512}, {"git", sshsig.HashSHA512}, {Namespace, sshsig.HashSHA256}} {
		sig, err := sshsig.Sign(bytes.NewReader(m), ed, f.hash, f.namespace)
		require.NoError(t, err)
		_, err = Verify(api.KeyProof{PublicKey: ed.PublicKey().Marshal(), Signature: sig.Marshal()}, m)
		assert.Error(t, err, f.namespace)
	}

	cert := &ssh.Certificate{Key: ed.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	require.NoError(t, cert.SignCert(rand.Reader, ed))
	_, err = ParseKey(cert.Marshal())
	require.ErrorContains(t, err, "not taken")
	cs, err := ssh.NewCertSigner(cert, ed)
	require.NoError(t, err)
	_, err = Sign(cs, m)
	require.ErrorContains(t, err, "not taken")

	_, err = ParseKey(ssh.Marshal(struct {
		T          string
		P, Q, G, Y *big.Int
	}{"ssh-dss", new(big.Int).Lsh(big.NewInt(1), 1023), new(big.Int).Lsh(big.NewInt(1), 159), big.NewInt(2), big.NewInt(3)}))
	require.ErrorContains(t, err, "ssh-dss are not taken")
	for _, n := range []int{0, 1, 100} {
		_, err = Verify(api.KeyProof{PublicKey: ed.PublicKey().Marshal(), Signature: bytes.Repeat([]byte{0}, n)}, m)
		assert.Error(t, err)
	}
	_, err = Verify(api.KeyProof{PublicKey: []byte(strings.Repeat("x", maxKey+1))}, m)
	assert.ErrorContains(t, err, "too long")
}

// securitySigner signs as a security key does, with these flags.
type securitySigner struct {
	public ssh.PublicKey
	sign   func(data []byte) []byte // a blob
	flags  byte
}

func (s *securitySigner) PublicKey() ssh.PublicKey { return s.public }

// Sign is what the ssh-agent of a security key answers.
func (s *securitySigner) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, sum := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	signed := append(append(append([]byte{}, app[:]...), s.flags, 0, 0, 0, 9), sum[:]...)
	return &ssh.Signature{Format: s.public.Type(), Blob: s.sign(signed), Rest: []byte{s.flags, 0, 0, 0, 9}}, nil
}

// securityKeys are one of each kind.
func securityKeys(t *testing.T) []*securitySigner {
	t.Helper()
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edKey, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		T string
		K []byte
		A string
	}{ssh.KeyAlgoSKED25519, pub, "ssh:"}))
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := ec.PublicKey.Bytes()
	require.NoError(t, err)
	ecKey, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		T, C string
		K    []byte
		A    string
	}{ssh.KeyAlgoSKECDSA256, "nistp256", point, "ssh:"}))
	require.NoError(t, err)
	return []*securitySigner{
		{public: edKey, sign: func(d []byte) []byte { return ed25519.Sign(ed, d) }},
		{public: ecKey, sign: func(d []byte) []byte {
			sum := sha256.Sum256(d)
			r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
			require.NoError(t, err)
			return ssh.Marshal(struct{ R, S *big.Int }{r, s})
		}},
	}
}

func TestSecurityKeys(t *testing.T) {
	m := []byte("m")
	for _, s := range securityKeys(t) {
		for _, c := range []struct {
			flags  byte
			demand Demands
			ok     bool
		}{
			{userPresent, Demands{}, true},
			{0, Demands{}, false},
			{0, Demands{NoTouch: true}, true},
			{userPresent, Demands{Verified: true}, false},
			{userPresent | userVerified, Demands{Verified: true}, true},
			{userVerified, Demands{Verified: true}, false},
		} {
			s.flags = c.flags
			p, err := Sign(s, m)
			require.NoError(t, err)
			_, err = VerifyFor(p, m, c.demand)
			assert.Equal(t, c.ok, err == nil, "%s %+v: %v", s.public.Type(), c, err)
			_, err = VerifyFor(p, []byte("n"), Demands{NoTouch: true})
			assert.Error(t, err)
		}
		// The library agrees on what is signed.
		s.flags = userPresent
		p, err := Sign(s, m)
		require.NoError(t, err)
		sig, err := sshsig.ParseSignature(p.Signature)
		require.NoError(t, err)
		require.NoError(t, sshsig.Verify(bytes.NewReader(m), sig, s.public, sshsig.HashSHA512, Namespace))
	}
}

// ssh-keygen -Y verifies what we sign.
func TestSSHKeygenAgrees(t *testing.T) {
	keys := sshKeys(t)
	dir := t.TempDir()
	for _, name := range []string{"ed25519", "ecdsa384", "rsa2048"} {
		p, err := Sign(keys[name], []byte("m"))
		require.NoError(t, err)
		sig, err := sshsig.ParseSignature(p.Signature)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(dir+"/sig", sshsig.Armor(sig), 0o600))
		require.NoError(t, os.WriteFile(dir+"/allowed", append([]byte("alice "), ssh.MarshalAuthorizedKey(keys[name].PublicKey())...), 0o600))
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", dir+"/allowed", "-I", "alice", "-n", Namespace, "-s", dir+"/sig")
		cmd.Stdin = strings.NewReader("m")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
	}
}

func FuzzVerify(f *testing.F) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	s, err := ssh.NewSignerFromKey(k)
	require.NoError(f, err)
	p, err := Sign(s, []byte("m"))
	require.NoError(f, err)
	f.Add(p.PublicKey, p.Signature)
	f.Add([]byte{0, 0, 0, 0}, []byte("SSHSIG\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, key, sig []byte) {
		got, err := Verify(api.KeyProof{PublicKey: key, Signature: sig}, []byte("another message"))
		if err == nil {
			t.Fatalf("%x proves a message that nobody signed: %v", sig, got)
		}
		_, _ = ParseKey(key)
	})
}
