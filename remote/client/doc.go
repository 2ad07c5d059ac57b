// Package client makes every HTTP request of pss, on all three hops: cmdlet to
// agent (unix socket), agent to host (TLS 1.3), host to session host (unix
// socket). A Client with a Dialer is all it takes.
//
// It uses net/http's requests and responses on connections of its own rather
// than http.Transport, for two reasons that were measured: a cmdlet lives for
// milliseconds and Transport's set-up is a tenth of that, and an attachment needs
// the connection itself, for deadlines and for closing one direction.
//
// No network is trusted. Every wait has a bound: a connection, an answer, the
// silence and the stalled write of an attachment, an outage as a whole. Ids are
// chosen by the client and epochs tell an old request from a new one, so a request
// whose answer was lost is made again (retry.go), and a delivery goes on behind the
// last record that it has (attach.go, outage.go). A request that cannot be answered
// any more is an outcome that is not known, never a failure.
package client
