// Package agent is the process that plays the part of PowerShell's client
// process, because each of our cmdlets is a process of its own. It owns what
// would otherwise die with a cmdlet: client sessions and their Ids, connections
// to computers, attachments with their leases, jobs.
//
// A client session is the scope in which an Id means something. It is derived
// from the cmdlet's own process (identify.go), and its end detaches or closes
// what it held (clientsession.go). The table stands in a journal on disk
// (journal.go) before an Id is shown, so a killed agent forgets nothing; whether
// a session is attached, and to whom, is never taken from there but from the
// session host.
package agent
