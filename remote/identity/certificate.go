package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"time"

	"pss/config"
	"pss/remote/planted"
)

// Certificates maps client certificates to users.
type Certificates struct {
	roots *x509.CertPool // nil: there is no authority
	names map[string]string
}

// OpenCertificates reads the authorities from caFile, if there is one; names is
// [certificates] of host.toml.
func OpenCertificates(caFile string, names map[string]string) (*Certificates, error) {
	c := &Certificates{names: names}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	c.roots = x509.NewCertPool()
	if !c.roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client_ca_file: %s has no certificate", caFile)
	}
	return c, nil
}

// KeySum is the SHA-256 of a certificate's SubjectPublicKeyInfo.
func KeySum(cert *x509.Certificate) []byte {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return sum[:]
}

// User returns whom the certificate that a client showed stands for: its key, whoever
// signed it, or a name in it if an authority of ours did. An empty name and no error:
// host.toml names nobody. The handshake has shown that the client has the key.
func (c *Certificates) User(chain []*x509.Certificate, now time.Time) (string, error) {
	if len(chain) == 0 || len(c.names) == 0 {
		return "", nil
	}
	leaf := chain[0]
	if user, ok := c.names[config.CertificateByKey+base64.StdEncoding.EncodeToString(KeySum(leaf))]; ok {
		if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return "", errors.New("the certificate is not valid now")
		}
		return user, nil
	}
	user := ""
	for _, name := range namesIn(leaf) {
		to, ok := c.names[name]
		if !ok {
			continue
		}
		if user != "" && user != to {
			return "", fmt.Errorf("the certificate is %s's and %s's", user, to)
		}
		user = to
	}
	if user == "" {
		return "", nil
	}
	return user, c.verify(chain, now)
}

// verify checks the certificate against the authorities. SHA-1 counts nowhere.
func (c *Certificates) verify(chain []*x509.Certificate, now time.Time) error {
	if c.roots == nil {
		return errors.New("there is no client_ca_file")
	}
	if planted.On("certificate-not-verified") {
		return nil
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// namesIn lists the names of a certificate as [certificates] writes them.
func namesIn(cert *x509.Certificate) []string {
	var names []string
	for _, u := range cert.URIs {
		names = append(names, config.CertificateByURI+u.String())
	}
	for _, m := range cert.EmailAddresses {
		names = append(names, config.CertificateByEmail+m)
	}
	if cn := cert.Subject.CommonName; cn != "" {
		names = append(names, config.CertificateByName+cn)
	}
	return names
}
