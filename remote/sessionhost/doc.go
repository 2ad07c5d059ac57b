// Package sessionhost is one PSSession: a process that owns the session's only
// state machine (lifecycle.go), its engine and its output. It outlives the host
// and the login, and nobody else writes below its folder:
//
//	lock        held while the process lives; how everybody tells a living session
//	facts       api.RunspaceInfo, written on every change; see api.FactsFile
//	facts.json  the same at the session's start, for people
//	sock        the process's socket; made again when somebody deletes it
//	p/N/        spool of pipeline N, and its stored input
//	e/          the engine's own files; there until no process of the session is left
//
// Every mutating request carries the epoch of an attachment; a stale one is
// refused, so a client that comes back from suspend cannot touch a session that
// another one holds. One mutex guards the facts; they are written under it,
// so that what a client was told is on disk.
package sessionhost
