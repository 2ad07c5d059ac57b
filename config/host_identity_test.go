package config

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamesOfClientCertificates(t *testing.T) {
	dir := t.TempDir()
	p := Paths{Config: dir, State: dir}
	for text, want := range map[string]string{
		"[certificates]\n\"sha256:AAAA\" = \"alice\"\n":                         "",
		"client_ca_file = \"ca.pem\"\n[certificates]\n\"CN=a\" = \"alice\"\n":   "",
		"[certificates]\n\"CN=a\" = \"alice\"\n":                                "without an authority",
		"client_ca_file = \"ca.pem\"\n[certificates]\n\"alice\" = \"alice\"\n":  "is none of",
		"client_ca_file = \"ca.pem\"\n[certificates]\n\"email:\" = \"alice\"\n": "is none of",
		"certificates = 7\n":  "certificates is a table",
		"permit_rot = true\n": `did you mean "permit_root"?`,
	} {
		require.NoError(t, os.WriteFile(p.HostFile(), []byte(text), 0o600))
		_, err := p.LoadHost()
		if want == "" {
			assert.NoError(t, err, text)
			continue
		}
		assert.ErrorContains(t, err, want, text)
	}
}
