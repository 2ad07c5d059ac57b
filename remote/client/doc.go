// Package client makes every HTTP request of pss, on all three hops: cmdlet to
// agent (unix socket), agent to host (TLS 1.3), host to session host (unix
// socket). A Client with a Dialer is all it takes.
//
// It uses net/http's requests and responses on connections of its own rather
// than http.Transport, for two reasons that were measured: a cmdlet lives for
// milliseconds and Transport's set-up is a tenth of that, and an attachment needs
// the connection itself, for deadlines and for closing one direction.
//
// Ids are chosen by the client, so a request may be repeated; one that was sent
// on a kept connection which turned out to be closed is repeated here.
package client
