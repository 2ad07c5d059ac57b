package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// HostIdentity are the settings of host.toml that say who is let in, and how.
type HostIdentity struct {
	AuthorizedKeysFile     string            `toml:"authorized_keys_file"`    // with %u, %h; default .ssh/authorized_keys below the home folder
	PermitRoot             bool              `toml:"permit_root"`             // by key, certificate or password; root's own token always counts
	AllowUsers             []string          `toml:"allow_users"`             // patterns; none: everybody
	AllowGroups            []string          `toml:"allow_groups"`            // patterns; none: everybody
	DenyUsers              []string          `toml:"deny_users"`              // patterns
	PasswordAuthentication *bool             `toml:"password_authentication"` // default: whether the password file has a user
	ClientCAFile           string            `toml:"client_ca_file"`          // PEM
	Certificates           map[string]string `toml:"certificates"`            // "sha256:…", "CN=…", "email:…", "uri:…" -> user
	AuthFailureTime        Duration          `toml:"auth_failure_time"`       // after which every refusal is told; default 300ms
	AuthAttempts           int               `toml:"auth_attempts"`           // per minute and address, and passwords per user; default 30
}

const (
	// DefaultAuthFailureTime is longer than the work of any attempt.
	DefaultAuthFailureTime = 300 * time.Millisecond
	// DefaultAuthAttempts is per minute.
	DefaultAuthAttempts = 30
)

// The ways to name a client certificate in [certificates].
const (
	CertificateByKey   = "sha256:"
	CertificateByName  = "CN="
	CertificateByEmail = "email:"
	CertificateByURI   = "uri:"
)

// check refuses what no key alone is wrong about.
func (h *HostIdentity) check() error {
	for _, name := range slices.Sorted(maps.Keys(h.Certificates)) {
		known := false
		for _, prefix := range []string{CertificateByKey, CertificateByName, CertificateByEmail, CertificateByURI} {
			rest, ok := strings.CutPrefix(name, prefix)
			known = known || ok && rest != ""
			if ok && prefix != CertificateByKey && h.ClientCAFile == "" {
				return fmt.Errorf("[certificates] %q needs client_ca_file: without an authority a name proves nothing", name)
			}
		}
		if !known {
			return fmt.Errorf("[certificates] %q is none of sha256:…, CN=…, email:… and uri:…", name)
		}
	}
	return nil
}

// PasswordFile has the users who may come in by password, for pss host passwd.
func (p Paths) PasswordFile() string { return p.HostDir() + "/passwords" }

// EnrolmentFile has the clients' TLS keys that stand for users for a while.
func (p Paths) EnrolmentFile() string { return p.HostDir() + "/enrolments.json" }
