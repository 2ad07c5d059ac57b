package host

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/identity"
)

// handshaken is the host's end of a connection to its port.
func handshaken(t testing.TB, h *Host) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { there.Close() })
	guest := tls.Client(there, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) //nolint:gosec // nobody is between
	go func() { _ = guest.Handshake() }()                                                           // how it ends shows at the other end
	conn, err := client.ListenTLS(l, h.certs.current).Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.(interface{ Handshake() error }).Handshake())
	return conn
}

// FuzzProof finds no answer to a challenge, as strangers send it, that the host does not
// survive, or that lets somebody in without the key that is known.
func FuzzProof(f *testing.F) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(f, err)
	wire := key.Marshal()
	for _, in := range []api.ProofRequest{
		{}, {User: "alice", Host: "h", Nonce: make([]byte, identity.NonceSize), Expiry: time.Unix(1e10, 0), Proofs: []api.KeyProof{{PublicKey: wire, Signature: []byte("SSHSIG\x00\x00\x00\x01")}}},
		{User: "alice", Proofs: make([]api.KeyProof, 7)}, {Nonce: make([]byte, 9999)},
	} {
		text, err := json.Marshal(in)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"Proofs":[{"PublicKey":7}]}`))
	h := testHost(f, &config.Host{})
	conn := handshaken(f, h)
	f.Fuzz(func(t *testing.T, text []byte) {
		var in api.ProofRequest
		if json.Unmarshal(text, &in) != nil {
			t.Skip()
		}
		r, err := http.NewRequestWithContext(knowConn(context.Background(), conn), http.MethodPost, api.RouteProof, nil)
		require.NoError(t, err)
		r.RemoteAddr = "192.0.2.1:1"
		b, err := h.auth.binding(r, &in)
		require.NoError(t, err)
		require.False(t, guestOf(r).answered(in.Nonce, time.Now()))
		_, err = h.auth.match(r, in.Proofs, []identity.AuthorizedKey{{Wire: wire}}, h.auth.messages(b))
		require.Error(t, err)
	})
}
