// Package platform holds what differs between operating systems: file locks
// whose holder can be asked for, unix sockets with the identity of their peer,
// processes that start detached from their caller, and the identity of computer
// and boot. Linux is the reference; elsewhere a function says so when it cannot
// do its work.
package platform
