package config

import (
	"crypto/sha1" //nolint:gosec // PowerShell's thumbprint: a name, which secures nothing
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/platform"
)

// Certificates is the folder of the user's own client certificates: one PEM file each,
// with its key.
func (p Paths) Certificates() string { return filepath.Join(p.Config, "certificates") }

// ClientCertificate is a certificate that the user may show.
type ClientCertificate struct {
	Path string
	tls.Certificate
}

// Thumbprint is PowerShell's name for the certificate: 40 hexadecimal digits.
func (c *ClientCertificate) Thumbprint() string {
	sum := sha1.Sum(c.Leaf.Raw) //nolint:gosec // see the import
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// fingerprint names its public key, as a host's.
func (c *ClientCertificate) fingerprint() string {
	sum := sha256.Sum256(c.Leaf.RawSubjectPublicKeyInfo)
	return "sha256:" + base64.StdEncoding.EncodeToString(sum[:])
}

// ReadCertificate reads a client certificate and its key from one PEM file, which others
// must not read.
func ReadCertificate(path string) (*ClientCertificate, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if platform.OthersMayRead(st) {
		return nil, fmt.Errorf("%s: its mode %04o lets others read the key; chmod 600 it", path, st.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &ClientCertificate{Path: path, Certificate: pair}, nil
}

// ListCertificates returns the certificates of the user's folder in the order of their
// files. What cannot be read is in the error, and hides no other.
func (p Paths) ListCertificates() ([]*ClientCertificate, error) {
	paths, err := filepath.Glob(filepath.Join(p.Certificates(), "*.pem"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var list []*ClientCertificate
	var wrong []error
	for _, path := range paths {
		c, err := ReadCertificate(path)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		list = append(list, c)
	}
	return list, errors.Join(wrong...)
}

// FindCertificate returns the user's certificate with a thumbprint, as api.CheckThumbprint
// returns it. The error of one that is not there names those that are.
func (p Paths) FindCertificate(thumbprint string, now time.Time) (*ClientCertificate, error) {
	list, wrong := p.ListCertificates()
	there := make([]string, 0, len(list))
	for _, c := range list {
		if c.Thumbprint() == thumbprint || c.fingerprint() == thumbprint {
			return c, c.valid(now)
		}
		there = append(there, c.Thumbprint()+" ("+c.Leaf.Subject.String()+")")
	}
	e := api.Errorf(api.CodeInvalidArgument, "there is no certificate %s in %s", thumbprint, p.Certificates()).
		WithID("CertificateNotFound").On(thumbprint)
	switch {
	case wrong != nil:
		return nil, e.Hint("correct what cannot be read: %s", strings.ReplaceAll(wrong.Error(), "\n", "; "))
	case len(there) == 0:
		return nil, e.Hint("put the certificate and its key there as one PEM file, NAME.pem, of mode 600")
	}
	return nil, e.Hint("there are: %s", strings.Join(there, ", "))
}

// valid fails for a certificate that no host would take for its age.
func (c *ClientCertificate) valid(now time.Time) error {
	if now.Before(c.Leaf.NotAfter) && !now.Before(c.Leaf.NotBefore) {
		return nil
	}
	return api.Errorf(api.CodeAccessDenied, "the certificate %s of %s is valid from %s to %s only", c.Thumbprint(), c.Path,
		c.Leaf.NotBefore.UTC().Format(time.RFC3339), c.Leaf.NotAfter.UTC().Format(time.RFC3339)).WithID("CertificateExpired").On(c.Path)
}
