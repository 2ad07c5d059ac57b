package client

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/planted"
)

// Fingerprint names a certificate's public key: "sha256:" and the base64 of the
// SHA-256 of its SubjectPublicKeyInfo, as curl's --pinnedpubkey takes it.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256:" + base64.StdEncoding.EncodeToString(sum[:])
}

// Fingerprints reads a list of fingerprints with commas between them.
func Fingerprints(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// Trust is what is known of a host before it is dialled. What decides is, in this
// order: Explicit, Pins, the authorities, the checks that are to be skipped, and last
// Accept. The zero value trusts a host whose certificate the system's authorities
// confirm for the name as dialled.
type Trust struct {
	Name     string    // of the computer, for people
	Asked    string    // it, as part of a command line
	Explicit []string  // fingerprints that decide alone
	From     string    // where they stand
	Pins     []string  // fingerprints that were remembered for the address
	Since    time.Time // when the first of them was
	Known    []string  // fingerprints of hosts that somebody has accepted before, for work that goes on without him
	Roots    *x509.CertPool
	Closed   bool // Roots decide: there is no first contact
	SkipCA   bool // who signed the certificate does not matter
	SkipCN   bool // nor for which name it is
	// Accept remembers a key that was never seen; nil: such a host is refused with an
	// *UnknownHost. It is called once the host has proved that it has the key.
	Accept func(fingerprint string) error
	// Now is when the certificate must be valid; zero: at present.
	Now time.Time
}

// TrustedBy says why a host was trusted.
type TrustedBy string

// The reasons.
const (
	ByFingerprint TrustedBy = "Fingerprint"
	ByPin         TrustedBy = "Pin"
	ByAuthority   TrustedBy = "Authority"
	BySkipping    TrustedBy = "Skipping"
	ByAccepting   TrustedBy = "Accepting" // its key is remembered from now on
	ByKnown       TrustedBy = "Known"
)

// Verdict is how a connection's host was trusted.
type Verdict struct {
	Address     string
	Fingerprint string
	By          TrustedBy
	Skipped     string   // what was wrong with the certificate and did not matter
	Explicit    []string // of the Trust
	From        string
}

// UnknownHost is the refusal of a host whose key was never seen: somebody may say that
// it is the right one.
type UnknownHost struct {
	Address, Fingerprint string
	Refusal              *api.Error
}

// Error returns the refusal's message.
func (e *UnknownHost) Error() string { return e.Refusal.Error() }

// Unwrap returns the refusal.
func (e *UnknownHost) Unwrap() error { return e.Refusal }

// Decided reports whether a key is expected, so that there is nothing to ask.
func (t *Trust) Decided() bool { return len(t.Explicit) > 0 || len(t.Pins) > 0 || t.Closed }

// Judge decides whether the host at address, which shows certs, is to be trusted.
// It fails with AccessDenied, or with an *UnknownHost.
func (t *Trust) Judge(address string, certs []*x509.Certificate) (*Verdict, error) {
	if len(certs) == 0 {
		return nil, t.refusal(address, "the host at %s shows no certificate", address)
	}
	got := Fingerprint(certs[0])
	v := &Verdict{Address: address, Fingerprint: got, Explicit: t.Explicit, From: t.From}
	switch {
	case slices.Contains(t.Known, got):
		v.By = ByKnown
		return v, nil
	case len(t.Explicit) > 0:
		v.By = ByFingerprint
		if slices.Contains(t.Explicit, got) || planted.On("fingerprint-not-compared") {
			return v, nil
		}
		return nil, t.refusal(address, "the host at %s shows the key %s, not the expected %s", address, got, strings.Join(t.Explicit, " or ")).
			Hint("if the host was set up anew, correct its fingerprint in %s; otherwise somebody stands between", t.From)
	case len(t.Pins) > 0:
		v.By = ByPin
		if slices.Contains(t.Pins, got) || planted.On("pin-not-compared") {
			return v, nil
		}
		return nil, t.changed(address, got)
	}
	return t.judgeUnpinned(address, certs, v)
}

// judgeUnpinned decides by the certificate.
func (t *Trust) judgeUnpinned(address string, certs []*x509.Certificate, v *Verdict) (*Verdict, error) {
	wrong := t.verify(address, certs, false, false)
	if wrong == nil || planted.On("chain-not-verified") {
		v.By = ByAuthority
		return v, nil
	}
	if (t.SkipCA || t.SkipCN) && t.verify(address, certs, t.SkipCA, t.SkipCN) == nil {
		v.By, v.Skipped = BySkipping, wrong.Error()
		return v, nil
	}
	switch {
	case t.Closed:
		return nil, t.refusal(address, "the host at %s shows a certificate that is not accepted: %v", address, wrong).
			Hint("correct the certificate, or ca_file in config.toml; a fingerprint there needs no authority: fingerprint = %q", v.Fingerprint)
	case t.Accept != nil:
		v.By = ByAccepting
		return v, nil
	}
	return nil, &UnknownHost{Address: address, Fingerprint: v.Fingerprint, Refusal: t.unknown(address, v.Fingerprint)}
}

// verify checks the chain, the name as dialled, the times and the usage.
func (t *Trust) verify(address string, certs []*x509.Certificate, skipCA, skipCN bool) error {
	opts := x509.VerifyOptions{Roots: t.Roots, Intermediates: x509.NewCertPool(), CurrentTime: t.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	if skipCA { // it vouches for itself
		opts.Roots = x509.NewCertPool()
		opts.Roots.AddCert(certs[0])
	}
	if !skipCN {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		if host, _, _ = strings.Cut(host, "%"); host == "" { // an address's zone is in no certificate
			return errors.New("there is no name to check")
		}
		if err := certs[0].VerifyHostname(host); err != nil {
			return err
		}
	}
	_, err := certs[0].Verify(opts)
	return err
}

// refusal is the error of a host that is not trusted.
func (t *Trust) refusal(address, format string, args ...any) *api.Error {
	return api.Errorf(api.CodeAccessDenied, format, args...).WithID("ServerNotTrusted").On(address)
}

// unknown says which lines would make a host known.
func (t *Trust) unknown(address, got string) *api.Error {
	name := t.Name
	if name == "" {
		name = address
	}
	return t.refusal(address, "the host at %s is not known; it shows the key %s", address, got).
		Hint("if that is its key, which 'pss host' prints there, --accept-new remembers it; or set it, for one command:\nPSS_FINGERPRINT=%s\nor for good in config.toml:\n%s\nfingerprint = %q", got, ComputerSection(name), got)
}

// changed says what became of a key that was remembered.
func (t *Trust) changed(address, got string) *api.Error {
	asked := t.Asked
	if asked == "" {
		asked = "--connection-uri https://" + address
	}
	return t.refusal(address, "the host at %s shows the key %s, not %s, which is remembered since %s: the host was set up anew, or somebody stands between",
		address, got, strings.Join(t.Pins, " or "), t.Since.Local().Format("2006-01-02 15:04:05")).
		Hint("find out which; if the new key is right, forget the old one: pss test-pssession %s --forget-key", asked)
}

// ComputerSection is the line of config.toml that begins what it says of a computer.
func ComputerSection(name string) string {
	bare := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
	if bare && name != "" {
		return "[computers." + name + "]"
	}
	return "[computers." + strconv.Quote(name) + "]"
}

// serverName is what TLS tells the host of the name as dialled: nothing of an address.
func serverName(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	bare, _, _ := strings.Cut(host, "%")
	if net.ParseIP(bare) != nil {
		return ""
	}
	return host
}

// VerdictOf returns how the host at the other end of c was trusted; nil: c is no TLS
// connection that was dialled.
func VerdictOf(c net.Conn) *Verdict {
	if t, ok := c.(*tlsConn); ok {
		return t.verdict
	}
	return nil
}
