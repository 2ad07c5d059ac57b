package api

import "time"

// This file is how a stranger becomes a user of a host: a challenge and its proof with
// an SSH key, or a password. Both bind the user to their connection and enrol the key of
// the client's TLS certificate, which then stands for the user until the enrolment ends.

// The ways to prove who one is, as host.toml, the audit log and -Authentication name
// them.
const (
	MethodToken       = "Token"       // the local token, or the host's own socket
	MethodPublicKey   = "PublicKey"   // an SSH key in authorized_keys
	MethodCertificate = "Certificate" // a client certificate of an authority that the host trusts
	MethodPassword    = "Password"
	MethodEnrolment   = "Enrolment" // the TLS key that one of the others enrolled
)

// IDNobody is the FullyQualifiedErrorId of a request that is refused because the host does
// not know who asks.
const IDNobody = "AuthenticationRequired"

// MaxProofs is how many keys one challenge may be answered with.
const MaxProofs = 6

// MaxEnrolment bounds how long an enrolment lasts (DESIGN 8).
const MaxEnrolment = 12 * time.Hour

// ChallengeRequest begins a proof with an SSH key.
type ChallengeRequest struct {
	User string // of the host's computer
}

// Challenge is the same for every user, whether there is one of that name or not.
type Challenge struct {
	Version string
	Nonce   []byte   // 32 bytes; good for one ProofRequest on the same connection
	Methods []string // that the host takes from strangers: MethodPublicKey, MethodPassword …
}

// ProofRequest answers a challenge: with one signature for each key that the user may
// have there, so that a host tells nobody which of them it knows.
type ProofRequest struct {
	User   string
	Host   string    // name as dialled, without its port
	Nonce  []byte    // of the challenge
	Expiry time.Time // whole seconds, UTC; the enrolment ends then, or after MaxEnrolment
	Proofs []KeyProof
}

// KeyProof is one key and its signature, both in SSH's wire format; the signature is an
// SSHSIG blob without its armour, of namespace auth@pss.
type KeyProof struct {
	PublicKey []byte
	Signature []byte
}

// PasswordRequest proves with a password.
type PasswordRequest struct {
	User, Password string
	Expiry         time.Time `json:",omitzero"`
}

// Enrolment says as whom the client's TLS key was enrolled, and until when. Without a
// TLS key in the handshake only the connection is bound, and Until is zero.
type Enrolment struct {
	Version string
	User    string
	Method  string
	Until   time.Time `json:",omitzero"`
}
