// Package engine keeps a shell alive between commands, so that directory,
// variables, functions, umask and background children last as long as a session.
//
// A Runspace is an interactive shell without a terminal. It reads one line per
// command from a private pipe and writes its prompt to another one; the prompt
// carries a random nonce, the command's number and the exit code, and is thereby
// the mark of the command's end: whatever a script does, a syntax error, an unset
// variable or an interrupt included, the shell unwinds to its prompt. The command
// itself is a file, and its standard streams are FIFOs, so that the streams stay
// apart, bytes arrive as they were written, and output that a background child
// writes later is still known to be of that command.
//
// What the shells make of this, and the traps that scripts can lay, is written
// down at the places that deal with them:
//
//   - bash.go and sh.go hold what differs between the engines: the functions
//     that stand in for exit and trap, and the text that writes a snapshot.
//   - shell.go starts one shell process and reads its prompts.
//   - command.go runs one command; input.go and pump.go are its streams.
//   - stop.go is Ctrl-C; restart.go starts a shell again from a snapshot.
//   - process*.go know about processes, signals and descendants.
//
// Known differences from running a script in a shell of its own: $- contains i,
// $0 is the shell's name, $PPID is the process that holds the runspace, line
// numbers in messages count one line more, aliases are expanded, exit and trap
// are a function (bash) or an alias (sh), ${v:?} ends the command with the
// interactive shell's code, and kill -TERM $$ is ignored as every interactive
// shell does. In sh, output of an EXIT action always goes to the command's own
// streams, and functions are lost when the shell has to be started again, unless
// the sh is bash. With arguments, a script of sh runs in a function: local works
// at its top level, and set -- does not outlast it. An EXIT action reads /dev/null.
// An interactive dash ignores SIGTERM, and so does its child for the moment until
// it becomes its program: sleep 9 & kill $! may come to nothing there. A RETURN
// trap of bash fires for our trap function, too, and for the script itself; traces
// of set -x have one more +; a child that was killed is not reported by bash.
// A shell that is started again has its own limits (ulimit) and job table. Busybox's
// ash works as sh, but for an EXIT trap that a subshell sets, which does not run.
//
// Processes are told apart by their parents, by the shell's session id and by a
// variable in their environment (platform.Marker), whose value is Spec.Dir. A process
// that clears its environment, makes a session of its own and loses its parent before
// anybody looked escapes Close. The shell ends with the process that holds the
// runspace, what its commands started does not: platform.EndOrphans does that.
package engine
