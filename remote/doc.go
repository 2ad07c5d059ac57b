// Package remote holds no code: this page is the map.
//
// # Four processes
//
//	pss <cmdlet> ──unix──► pss agent ──TLS 1.3, or ssh──► pss host ──unix──► pss session-host ── bash | sh
//	  one command           one per user                   one per computer     one per PSSession
//
// A cmdlet (package verbs) parses, asks the agent, prints and is gone. The agent
// (remote/agent) plays the part of PowerShell's client process: Ids, connections,
// attachments. The host (remote/host) is the endpoint of a computer. A session
// host (remote/sessionhost) is one session: it owns the only state machine, the
// engine (remote/engine) and the output (remote/spool). The words that they share
// stand in remote/api, everything HTTP in remote/client, and what differs between
// operating systems in remote/platform.
//
// # A host for many users
//
// Run by root, the host is the front of a computer: it finds out who asks
// (remote/identity), and passes each request on to that user's own host, where the
// user's sessions are, however they are reached. It does so by a worker
// (remote/worker), a process of that user, which it hands open connections: root
// itself opens, deletes and dials nothing that is a user's. Its registry says who may
// share the sessions of run-as configurations. The service is made by remote/install.
//
//	agent ──TLS 1.3──► pss host (root) ──open file──► pss host --worker (user) ──► the user's pss host ──► pss session-host
//
// # One protocol
//
// All hops speak HTTP/1.1 with JSON for control. An attachment is the request
// POST /v1/sessions/{session}/stream with "Upgrade: pss-frames/1": from then on its
// connection carries api.Record frames both ways: output, acknowledgements,
// standard input, signals, heartbeats. They are the spool's own frames, with their
// checksums, byte for byte the same on disk and on each wire; agent and host copy
// them through unread. GET …/records gives the same records to scripts and curl.
//
// # One request, there and back
//
// pss invoke-command --session 1 'make' sends one request. The agent resolves Id 1
// in the asker's client session, fills in the epoch that it holds and forwards.
// The host authenticates, finds the session's folder and forwards. The session
// host checks the epoch, writes the pipeline into its facts, gives the script to
// the shell and switches the connection. What the shell prints is appended to the
// pipeline's spool and read from there by the stream; the cmdlet writes it out and
// acknowledges; at the end it says that it has everything, and the session host
// saves that before it answers. Whatever dies on the way, the cmdlet asks again
// with the same ids, behind the last record that it has.
//
// # Who knows what
//
//   - What a session is: its session host, on disk in its folder before anybody is
//     told. State and Availability are derived for each asker by api.View.
//   - Whether it lives: its lock. Silence is not death.
//   - Who holds it: the attachment in its facts. Each attach makes a new epoch; a
//     request with an older one is refused.
//   - Whether the holder lives: the host's leases, fed by one heartbeat per agent
//     and host. A session host whose host is gone waits the same time by itself.
//   - What an Id means: the agent's journal.
//   - What a job is and has: its folder at the agent (remote/jobstore).
//
// # How versions coexist
//
// The binary may be replaced while agents, hosts and session hosts of older builds
// live on, for weeks; each keeps the code that it started with, because a role is
// started from the open file of the one that starts it. So old and new meet on
// every hop, in both directions, and the rules are:
//
//   - Fields, routes and record kinds are only added. A decoder skips fields that
//     it does not know and fills absent ones with their zero value, which must
//     mean what the older version did.
//   - Agent and host pass on what they do not know: bodies and frames are copied,
//     and every path below a session is forwarded to the session host, which
//     alone decides whether it knows it.
//   - A reader of records skips kinds that it does not know and still
//     acknowledges them.
//   - Every reply carries Pss-Version; a session host's version stands in its facts
//     and is listed, so that nobody has to guess which code runs.
//   - A number on a wire or disk is explicit and never reused. testdata/wire/v1 holds
//     frozen samples, which every later version must read.
//
// The build tag pss_next makes a later version of this tree with an added field,
// route and record kind; TestVersions runs both builds against each other in every
// pairing of roles.
//
// # Decisions
//
//   - 2026-11: HTTP/1.1 only. An Upgrade is not possible over Go's HTTP/2, and
//     HTTP/1.1 moved bulk output twice as fast.
//   - 2026-11: own connections under net/http's requests instead of http.Transport
//     (see remote/client).
//   - 2026-11: a session's folder has a random short name, not its InstanceId: a
//     prestarted session host gets its id later, and socket paths are short.
//   - 2026-11: a dead session's output is served by a session host without an
//     engine rather than by the host, so that one program alone reads and repairs
//     spools.
//   - 2026-11: facts are written in place in two slots, not replaced by rename:
//     replacing a file cost as much as the rest of a short command.
//   - 2026-11: an attachment gives its connection back after its last frame, so that
//     the next command needs no handshake.
//   - 2026-11: tests run the real processes on temporary folders rather than roles
//     joined in one process: starting them costs milliseconds.
//   - 2026-11: the agent's table is an appended journal, not a file that is written
//     anew: making a thousand sessions must not cost a thousand times a thousand.
//   - 2026-11: a session is made together with its first command (CreateRequest.Start):
//     no crash leaves the name of a job that never began.
//   - 2026-11: a look at output (--peek, --tail, --since) needs no attachment and
//     acknowledges nothing; it is read, not lent to a socket, because the files of
//     acknowledged output are written again.
//   - 2026-11: a quota of output is kept by telling the sessions that print how much
//     room they have, once a second while it is near: the session hosts do not wait
//     for the host.
//   - 2026-11: memory and processes of a session are summed by its session host; a
//     control group, where one is delegated, holds it between two looks.
//   - 2026-11: an outage is noticed by whoever waits on a connection, not told to it by
//     the agent's heartbeat: one heartbeat that is lost proves nothing, and a connection
//     may be dead while another one lives. The waits follow from the host's lease.
//   - 2026-11: agent and host that are told to end answer the requests under way first,
//     for at most three seconds. Attachments just break: that is an outage like any other.
//   - 2026-11: a session configuration is checked and written by the host of its
//     computer, never by a cmdlet, and read again for each session: a file that is
//     edited by hand and one that a cmdlet wrote are the same thing.
//   - 2026-11: what a session option says about a connection stands in the session's
//     facts and comes with each stream: every cmdlet is another process, and all of
//     the client that holds the session keep to it.
//   - 2026-11: a job has a store of its own beside remote/spool: its records keep the
//     numbers and times that their session gave them, so that a following goes on behind
//     the last of them.
//   - 2026-11: roles leave a login for the user's service manager only where the user
//     lingers: without that it ends with the last login, and they with it, also where a
//     logout ends nothing. What would end with the login is refused, not made.
//   - 2026-11: a job's output is delivered to cmdlets by the frames of an attachment:
//     resuming and acknowledging are the same for both.
//   - 2026-11: as the first process of a container, pss host is two processes: an init
//     that only reaps, and the host as its child. Whoever waits for all children takes
//     exit codes that os/exec waits for; so the one that does has no os/exec. The init
//     holds the host's lock: no other host comes in while that is started again.
//   - 2026-11: a session host that is told to end breaks its session and keeps all that
//     was printed. Why a command is lost is on disk before its container is gone.
//   - 2026-11: a computer that ssh reaches has one ssh process, and in it connections of
//     smux (remote/sshlink), each as good as one of TLS: nothing above knows the difference.
//     The far end is a process of its own that passes bytes to the host's unix socket, so
//     that a host may end and start again under a living ssh.
//   - 2026-11: a ref names a computer and the way to it (api.SSHTarget.Ref); a session is
//     its InstanceId, so one that is asked for by another way goes on by that.
//   - 2026-11: ssh asks through a program of its own choosing (SSH_ASKPASS, which is this
//     binary), the agent passes that on, and the cmdlet fetches it: an agent has no terminal.
//   - 2026-11: what the far side's shell is told never grows a parameter: an older pss must
//     understand it. What is new is said once both ends talk.
//   - 2026-11: credentials that are lent to a session (EnableNetworkAccess) go with the
//     request that makes it, never with a spare; whoever comes by an ssh comes from
//     elsewhere, also from this computer: nobody can tell where a chain of them begins.
package remote
