// Package host is the daemon: the endpoint of a computer. It authenticates,
// starts session hosts, lists what they keep on disk and forwards everything
// else to them.
//
// It holds no truth about a session. What a session is stands in its folder and
// in its session host; whether that lives is told by its lock. So a host may be
// killed at any moment: the next one reads the folders and goes on. The only
// thing that it keeps in memory alone are the leases, and those start afresh.
//
// What the commands of a session whose process was killed left running is ended
// here, when a look at its folder finds its lock free: nobody else is there to do it.
//
// Whoever may ask is bounded (quota.go): sessions, and unread output of all of them.
// What is made, connected and removed, and what was refused, stands in the audit log.
package host
