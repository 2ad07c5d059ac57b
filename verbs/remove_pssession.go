package verbs

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"pss/remote/api"
	"pss/remote/client"
)

func init() { register("Remove-PSSession", []string{"rsn", "rm"}, newRemovePSSession) }

func newRemovePSSession() *command {
	return &command{
		name: "Remove-PSSession", aliases: []string{"rsn", "rm"},
		synopsis: "Ends sessions, with what runs in them, and deletes their output.",
		notes: "With --computer-name it asks that computer, so that a session of another client session can be removed too; a pattern such as Server* asks nobody and means the computers of this client session's sessions. A session that another client holds is refused. " +
			"On a terminal it asks before it ends a running command or deletes output that nobody has received. --force asks nothing, and also removes a session that your other client holds.",
		sets: sessionSets(true, false), pipeline: true, should: true,
		params: append(withComputerPatterns(selectorParams(true)), flag("Force", "do not ask, and take the session from your other client"),
			flag("Purge", "delete the copies of pss that --copy-binary left there and no session runs; sessions are removed only where --name or --instance-id names them").
				in(setHost, setHostInstance, setComputer, setComputerInstance)),
		positional: [][]string{{"Id", "Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss remove-pssession --id 1", says: "one session"},
			{command: "pss get-pssession --computer-name server01 --state Disconnected | pss remove-pssession", says: "what was left behind there"},
			{command: "pss remove-pssession --host-name server01 --purge", says: "the copies of pss there that no session needs"},
		},
		run: runRemovePSSession,
	}
}

func runRemovePSSession(ctx context.Context, rt *Runtime, in *input) error {
	if in.Bool("purge") {
		return runPurge(ctx, rt, in)
	}
	return removeSessions(ctx, rt, in)
}

func removeSessions(ctx context.Context, rt *Runtime, in *input) error {
	force := in.Bool("force")
	// What cannot be asked about is given up all the same: the agent forgets it.
	t, err := readTargetsOr(ctx, rt, in, func(agent *client.Client, ref SessionRef, err error) error {
		if !api.IsCode(err, api.CodeUnreachable) {
			return err
		}
		return agent.Forget(ctx, ref.text())
	})
	if err != nil {
		return err
	}
	t.sessions = distinct(t.sessions)
	n := t.count()
	asks := !force && rt.canAsk() && !in.given("confirm")
	var wanted []*api.Session
	for _, s := range t.sessions {
		switch ok, err := rt.should("Remove", s.ComputerName); {
		case err != nil:
			return err
		case !ok:
			continue
		}
		if asks && !rt.confirmRemoval(s) {
			t.add(api.Errorf(api.CodeInterrupted, "session %s was kept", s.Runspace.Name).WithID("RemovePSSessionDeclined").On(s.Runspace.Name))
			continue
		}
		wanted = append(wanted, s)
	}
	for _, o := range each(wanted, t.throttle, func(_ int, s *api.Session) (struct{}, error) {
		if s.Unreachable {
			return struct{}{}, t.agent.Forget(ctx, s.Runspace.InstanceID)
		}
		return struct{}{}, t.agent.Remove(ctx, s.Runspace.InstanceID, 0, force)
	}) {
		t.add(o.err)
	}
	return t.result(n)
}

// confirmRemoval asks, where something would be lost, whether it may be.
func (rt *Runtime) confirmRemoval(s *api.Session) bool {
	loss := ""
	switch bytes, _ := s.Runspace.Unread(); {
	case s.Runspace.Life == api.LifeOpen && s.Runspace.Running() != nil:
		loss = "it runs a command: " + cleanLines(shortCommand(s.Runspace.Running().Command))
	case bytes > 0:
		loss = fmt.Sprintf("%d bytes of its output were not received", bytes)
	default:
		return true
	}
	return rt.ask(fmt.Sprintf("Remove session %s on %s? %s", strconv.Quote(s.Runspace.Name), s.ComputerName, loss))
}

// shortCommand is the first line of a command.
func shortCommand(text string) string {
	line, _, more := strings.Cut(strings.TrimSpace(text), "\n")
	if more {
		line += " …"
	}
	return line
}
