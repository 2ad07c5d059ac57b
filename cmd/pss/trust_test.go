//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdIssue makes a certificate and its key in FILE, signed by the authority of the script,
// which is made with the first one in ca.pem: issue FILE NAME [-expired]
func cmdIssue(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: issue FILE NAME [-expired]")
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caFile := ts.MkAbs("ca.pem")
	if _, err := os.Stat(caFile); err != nil {
		key := newKey(ts)
		writePEM(ts, caFile, ca, ca, key, key)
	}
	data, err := os.ReadFile(caFile)
	ts.Check(err)
	block, rest := pem.Decode(data)
	ca, err = x509.ParseCertificate(block.Bytes)
	ts.Check(err)
	block, _ = pem.Decode(rest)
	caKey, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	ts.Check(err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: args[1]}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(args[1]); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{args[1]}
	}
	if len(args) > 2 && args[2] == "-expired" {
		c.NotAfter = now.Add(-time.Hour)
	}
	writePEM(ts, ts.MkAbs(args[0]), c, ca, newKey(ts), caKey.(*ecdsa.PrivateKey))
}

func newKey(ts *testscript.TestScript) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	return key
}

// writePEM writes a certificate and its key, in one step.
func writePEM(ts *testscript.TestScript, path string, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	ts.Check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	ts.Check(os.WriteFile(path+".new", text, 0o600))
	ts.Check(os.Rename(path+".new", path))
}
