package host

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

const (
	// certPace is how often at most the files of certificates are looked at.
	certPace = 500 * time.Millisecond
	// maxPastKeys is how many of the keys that the host had before it still announces.
	maxPastKeys = 4
)

// certs are the host's certificate, and the keys that clients should know: the present
// one, the next one, and those before. The files are read again when they have changed.
type certs struct {
	paths   config.Paths
	conf    *config.Host
	log     *slog.Logger
	changed func() // is called when the keys have changed, but for the first time

	mu     sync.Mutex // guards what follows
	looked time.Time
	stamp  string // of the files
	cert   *tls.Certificate
	keys   []string // the present one first
}

// newCerts reads the certificate, which the host makes when it has none.
func newCerts(o *Options) (*certs, error) {
	c := &certs{paths: o.Paths, conf: o.Config, log: o.Log, changed: func() {}}
	if c.conf.CertificateFile == "" {
		if _, err := os.Stat(c.paths.HostCertificate()); errors.Is(err, fs.ErrNotExist) {
			if err := makeCertificate(c.paths.HostCertificate()); err != nil {
				return nil, err
			}
		}
	}
	return c, c.reload()
}

// files are those that the certificate is made of.
func (c *certs) files() (cert, key, next string) {
	if c.conf.CertificateFile == "" {
		return c.paths.HostCertificate(), c.paths.HostCertificate(), c.paths.HostNextCertificate()
	}
	cert, key, next = c.conf.CertificateFile, c.conf.KeyFile, c.conf.NextCertificate
	if key == "" {
		key = cert
	}
	return cert, key, next
}

// reload reads the files now. Where that fails the host goes on with what it has.
func (c *certs) reload() error {
	stamp := c.stampNow()
	certFile, keyFile, next := c.files()
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return api.Errorf(api.CodeInvalidArgument, "the host's certificate cannot be read: %v", err).On(certFile).
			Hint("certificate_file and key_file of host.toml are PEM files that belong together")
	}
	keys := []string{client.Fingerprint(cert.Leaf)}
	if next != "" {
		if leaf, err := leafOf(next); err == nil {
			keys = append(keys, client.Fingerprint(leaf))
		} else if !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("next certificate not read", "file", next, "error", err)
		}
	}
	var past []string
	if err := config.ReadJSON(c.paths.HostPastKeys(), &past); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("past keys not read", "error", err)
	}
	for _, f := range past {
		if !slices.Contains(keys, f) {
			keys = append(keys, f)
		}
	}
	c.mu.Lock()
	again := c.cert != nil && !slices.Equal(keys, c.keys)
	c.cert, c.keys, c.stamp, c.looked = &cert, keys, stamp, time.Now()
	c.mu.Unlock()
	if again {
		c.log.Info("keys have changed", "fingerprints", keys)
		c.changed()
	}
	return nil
}

// leafOf reads the first certificate of a PEM file.
func leafOf(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, fmt.Errorf("%s holds no certificate", path)
}

// stampNow tells the files' states apart.
func (c *certs) stampNow() string {
	cert, key, next := c.files()
	var b strings.Builder
	for _, path := range []string{cert, key, next, c.paths.HostPastKeys()} {
		if st, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%d %d;", st.Size(), st.ModTime().UnixNano())
		} else {
			b.WriteString("-;")
		}
	}
	return b.String()
}

// look reads the files again if they have changed.
func (c *certs) look() {
	c.mu.Lock()
	if time.Since(c.looked) < certPace {
		c.mu.Unlock()
		return
	}
	c.looked = time.Now()
	stamp := c.stamp
	c.mu.Unlock()
	if c.stampNow() == stamp {
		return
	}
	if err := c.reload(); err != nil {
		c.log.Warn("certificate not read again", "error", err)
	}
}

// current returns the certificate for the next handshake.
func (c *certs) current() *tls.Certificate {
	c.look()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cert
}

// fingerprint names the present key.
func (c *certs) fingerprint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[0]
}

// sums are the SHA-256 of the host's keys, the present one first.
func (c *certs) sums() (list [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.keys {
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(f, "sha256:")); err == nil {
			list = append(list, sum)
		}
	}
	return list
}

// announced are the keys that clients should know; nil: there is but one.
func (c *certs) announced() []string {
	c.look()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) < 2 || planted.On("rotation-not-announced") {
		return nil
	}
	return c.keys
}

// announce tells whoever has proved who they are which keys the host has.
func (c *certs) announce(header http.Header) {
	if keys := c.announced(); keys != nil {
		header.Set(api.HeaderFingerprints, strings.Join(keys, ","))
	}
}
