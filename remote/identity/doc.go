// Package identity finds out as whom a stranger may use a host: what is signed to prove
// an SSH key, which keys and accounts count (OpenSSH's rules for authorized_keys and for
// logins), the password file, and the TLS keys that stand for users for a while.
//
// A proof (proof.go) is one signature over the SSH strings (uint32 length and bytes)
//
//	"pss-auth-v1"
//	32 bytes of the connection's exported keying material (Label, context: the nonce)
//	the server's nonce, 32 bytes, good for one try on this connection
//	SHA-256 of the server's SubjectPublicKeyInfo
//	the host's name as the client dialled it, without its port
//	the user
//	SHA-256 of the SubjectPublicKeyInfo of the client's TLS key; empty if it showed none
//	the end of the enrolment, decimal Unix seconds
//
// as SSHSIG of namespace auth@pss and hash SHA-512. The keying material is known to the
// two ends of one TLS connection only: whoever stands between has two connections, and a
// proof made for one is worth nothing on the other.
package identity
