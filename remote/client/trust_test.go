package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// issuer signs certificates in a test.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate that by signs, or itself where by is nil.
func issue(t *testing.T, by *issuer, change func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"server01"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	change(c)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &issuer{made, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	c.DNSNames, c.IPAddresses, c.ExtKeyUsage = nil, nil, nil
}

// What decides whether a host is trusted, and in which order.
func TestTrust(t *testing.T) {
	root := issue(t, nil, authority)
	middle := issue(t, root, authority)
	same := func(*x509.Certificate) {}
	good := issue(t, root, same)
	deep := issue(t, middle, same)
	expired := issue(t, root, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early := issue(t, root, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	client := issue(t, root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	self := issue(t, nil, same)
	selfExpired := issue(t, nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	fp := func(i *issuer) []string { return []string{Fingerprint(i.cert)} }
	accept := func(string) error { return nil }
	const named, address, other = "server01:5986", "192.0.2.1:5986", "server02:5986"

	for name, c := range map[string]struct {
		trust   Trust
		address string
		shows   []*issuer
		by      TrustedBy // "": refused; "unknown": refused, and somebody may be asked
		skipped bool
	}{
		"fingerprint":                        {Trust{Explicit: fp(self)}, other, []*issuer{self}, ByFingerprint, false},
		"one of several fingerprints":        {Trust{Explicit: append(fp(good), fp(self)...)}, other, []*issuer{self}, ByFingerprint, false},
		"a fingerprint goes before all":      {Trust{Explicit: fp(self), Pins: fp(good), Roots: roots, SkipCA: true, SkipCN: true, Accept: accept}, named, []*issuer{good}, "", false},
		"an expired one with a fingerprint":  {Trust{Explicit: fp(selfExpired)}, other, []*issuer{selfExpired}, ByFingerprint, false},
		"pin":                                {Trust{Pins: fp(self)}, other, []*issuer{self}, ByPin, false},
		"a pin goes before authorities":      {Trust{Pins: fp(self), Roots: roots}, named, []*issuer{good}, "", false},
		"a pin goes before skipping":         {Trust{Pins: fp(self), SkipCA: true, SkipCN: true}, named, []*issuer{good}, "", false},
		"a pin goes before accepting":        {Trust{Pins: fp(self), Accept: accept}, named, []*issuer{good}, "", false},
		"authority":                          {Trust{Roots: roots}, named, []*issuer{good}, ByAuthority, false},
		"authority, name in capitals":        {Trust{Roots: roots}, "SERVER01:5986", []*issuer{good}, ByAuthority, false},
		"authority, address":                 {Trust{Roots: roots}, address, []*issuer{good}, ByAuthority, false},
		"authority behind another":           {Trust{Roots: roots}, named, []*issuer{deep, middle}, ByAuthority, false},
		"a link of the chain is missing":     {Trust{Roots: roots, Closed: true}, named, []*issuer{deep}, "", false},
		"wrong name":                         {Trust{Roots: roots, Closed: true}, other, []*issuer{good}, "", false},
		"wrong address":                      {Trust{Roots: roots, Closed: true}, "192.0.2.2:5986", []*issuer{good}, "", false},
		"expired":                            {Trust{Roots: roots, Closed: true}, named, []*issuer{expired}, "", false},
		"not yet valid":                      {Trust{Roots: roots, Closed: true}, named, []*issuer{early}, "", false},
		"a client's certificate":             {Trust{Roots: roots, Closed: true}, named, []*issuer{client}, "", false},
		"ca_file allows no first contact":    {Trust{Roots: roots, Closed: true, Accept: accept}, named, []*issuer{self}, "", false},
		"never seen":                         {Trust{Roots: roots}, named, []*issuer{self}, "unknown", false},
		"never seen, accepted":               {Trust{Roots: roots, Accept: accept}, named, []*issuer{self}, ByAccepting, false},
		"skip CA":                            {Trust{Roots: roots, SkipCA: true}, named, []*issuer{self}, BySkipping, true},
		"skip CA: the name still counts":     {Trust{Roots: roots, SkipCA: true}, other, []*issuer{self}, "unknown", false},
		"skip CA: the time still counts":     {Trust{Roots: roots, SkipCA: true}, named, []*issuer{selfExpired}, "unknown", false},
		"skip CN":                            {Trust{Roots: roots, SkipCN: true}, other, []*issuer{good}, BySkipping, true},
		"skip CN: the chain still counts":    {Trust{Roots: roots, SkipCN: true}, other, []*issuer{self}, "unknown", false},
		"skip both":                          {Trust{Roots: roots, SkipCA: true, SkipCN: true}, other, []*issuer{self}, BySkipping, true},
		"skip both, ca_file":                 {Trust{Roots: roots, Closed: true, SkipCA: true, SkipCN: true}, other, []*issuer{self}, BySkipping, true},
		"skipping makes no difference":       {Trust{Roots: roots, SkipCA: true, SkipCN: true}, named, []*issuer{good}, ByAuthority, false},
		"skipping goes before accepting":     {Trust{Roots: roots, SkipCA: true, Accept: accept}, named, []*issuer{self}, BySkipping, true},
		"work goes on with whom it was with": {Trust{Roots: roots, Known: fp(self)}, other, []*issuer{self}, ByKnown, false},
		"and with nobody else":               {Trust{Pins: fp(good), Known: fp(self)}, other, []*issuer{deep}, "", false},
		"no certificate":                     {Trust{SkipCA: true, SkipCN: true, Accept: accept}, named, nil, "", false},
	} {
		var certs []*x509.Certificate
		for _, i := range c.shows {
			certs = append(certs, i.cert)
		}
		v, err := c.trust.Judge(c.address, certs)
		if c.by != "" && c.by != "unknown" {
			if assert.NoError(t, err, name) {
				assert.Equal(t, c.by, v.By, name)
				assert.Equal(t, c.skipped, v.Skipped != "", name)
				assert.Equal(t, Fingerprint(certs[0]), v.Fingerprint, name)
			}
			continue
		}
		var e *api.Error
		if assert.ErrorAs(t, err, &e, name) {
			assert.Equal(t, "ServerNotTrusted", e.FullyQualifiedErrorID, name)
			assert.Equal(t, api.CodeAccessDenied, e.Code, name)
		}
		var unknown *UnknownHost
		assert.Equal(t, c.by == "unknown", errors.As(err, &unknown), name)
	}
}

func on(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

func at(e Endpoint) func(context.Context) (Endpoint, error) {
	return func(context.Context) (Endpoint, error) { return e, nil }
}

func TestServerName(t *testing.T) {
	for address, want := range map[string]string{
		"server01:5986": "server01", "192.0.2.1:5986": "", "[2001:db8::1]:5986": "", "[fe80::1%eth0]:5986": "", "server01": "server01",
	} {
		assert.Equal(t, want, serverName(address), address)
	}
}

func TestComputerSection(t *testing.T) {
	for name, want := range map[string]string{
		"server01": "[computers.server01]", "db-1": "[computers.db-1]", "a.example": `[computers."a.example"]`, "127.0.0.1": `[computers."127.0.0.1"]`, `x"y`: `[computers."x\"y"]`,
	} {
		assert.Equal(t, want, ComputerSection(name))
	}
}

// Neither side speaks a TLS before 1.3; a key is accepted only once the host has proved
// that it has it; no connection of a host's former key is resumed.
func TestTLSOfBothSides(t *testing.T) {
	first, second := testCertificate(t), testCertificate(t)
	now := &first
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tl := ListenTLS(l, func() *tls.Certificate { return now })
	defer tl.Close()
	serve := func() {
		c, err := tl.Accept()
		if err == nil {
			c.Read(make([]byte, 1)) // the handshake, and what follows
			c.Write([]byte("x"))    // and with it the ticket
			c.Close()
		}
	}
	go serve()
	_, err = tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	assert.ErrorContains(t, err, "protocol version")

	cache := tls.NewLRUClientSessionCache(4)
	resumed := func() tls.ConnectionState {
		done := make(chan struct{})
		go func() { serve(); close(done) }()
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, ServerName: "a"})
		require.NoError(t, err)
		defer c.Close()
		c.Write([]byte("x"))
		c.Read(make([]byte, 1))
		<-done
		return c.ConnectionState()
	}
	resumed()
	assert.True(t, resumed().DidResume)
	now = &second
	state := resumed()
	assert.False(t, state.DidResume)
	assert.Equal(t, Fingerprint(second.Leaf), Fingerprint(state.PeerCertificates[0]))

	var hellos atomic.Int32
	old := tls.NewListener(on(t), &tls.Config{
		Certificates: []tls.Certificate{first}, MaxVersion: tls.VersionTLS12,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if !slices.Contains(h.SupportedVersions, tls.VersionTLS12) { // the question whether it is WinRM takes both
				hellos.Add(1)
			}
			return nil, nil
		},
	})
	defer old.Close()
	go hangUp(old)
	asked := false
	_, err = DialTLS(at(Endpoint{Address: old.Addr().String(), Trust: Trust{SkipCA: true, SkipCN: true, Accept: func(string) error { asked = true; return nil }}}))(t.Context())
	assert.ErrorContains(t, err, "protocol version")
	assert.False(t, asked)
	assert.EqualValues(t, 1, hellos.Load(), "a host that says no is not asked again")
}

// hangUp takes connections, and ends each at its first byte.
func hangUp(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			c.Read(make([]byte, 1))
			c.Close()
		}()
	}
}

// Whoever shows a certificate without having its key is not remembered: the key is
// accepted when the handshake has proved it.
func TestKeyIsRememberedOnlyWhenProved(t *testing.T) {
	real, mine := testCertificate(t), testCertificate(t)
	accepted := ""
	dial := func(cert tls.Certificate) error {
		l := ListenTLS(on(t), func() *tls.Certificate { return &cert })
		defer l.Close()
		go hangUp(l)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := DialTLS(at(Endpoint{Address: l.Addr().String(), Trust: Trust{Accept: func(f string) error { accepted = f; return nil }}}))(ctx)
		if err == nil {
			c.Close()
		}
		return err
	}
	assert.Error(t, dial(tls.Certificate{Certificate: real.Certificate, Leaf: real.Leaf, PrivateKey: mine.PrivateKey}))
	assert.Empty(t, accepted)
	assert.NoError(t, dial(real))
	assert.Equal(t, Fingerprint(real.Leaf), accepted)
}
