// Package sshlink reaches a computer through the system's ssh.
//
// A Link is the agent's side: one ssh process, started when it is needed, with the
// user's own configuration, and over its standard input and output as many
// connections as are wanted. Relay is the other end, pss host --stdio: it joins each
// of these connections to the unix socket of the user's host there.
//
// The far side begins with a line of ours that carries a number made for this start
// (see script). Whatever a banner, a motd or a start-up file prints before it is only
// kept for error messages. From then on both ends speak smux, version 2: connections
// with a window each, and a sign of life of the whole link, so that an ssh that hangs
// is noticed. Each connection begins with a byte that says that the far end lives, and
// one that says that the host there has it.
//
// An ssh that ends, hangs or is cut is an outage of the network like any other: the
// connections break, and whoever dials again starts the next ssh.
//
// A connection that the user has opened to be shared (ControlMaster) is used, until it
// leads nowhere: then an ssh of our own is tried. We open none to be shared, because it
// would end with us.
package sshlink
