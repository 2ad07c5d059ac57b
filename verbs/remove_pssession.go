package verbs

import "context"

func init() { register("Remove-PSSession", []string{"rsn", "rm"}, newRemovePSSession) }

func newRemovePSSession() *command {
	return &command{
		name: "Remove-PSSession", aliases: []string{"rsn", "rm"},
		synopsis:   "Ends sessions, with what runs in them, and deletes their output.",
		notes:      "With --computer-name it asks that computer, so that a session of another client session can be removed too. A session that another client holds is refused.",
		params:     selectorParams(true),
		positional: []string{"Id"},
		examples: []example{
			{"pss remove-pssession --id 1", "one session"},
			{"pss get-pssession --computer-name server01 --state Disconnected | pss remove-pssession", "what was left behind there"},
		},
		run: runRemovePSSession,
	}
}

func runRemovePSSession(ctx context.Context, rt *Runtime, in *input) error {
	t, err := readTargets(ctx, rt, in)
	if err != nil {
		return err
	}
	n := t.count()
	for _, s := range t.sessions {
		t.add(t.agent.Remove(ctx, s.Runspace.InstanceID, 0, false))
	}
	return t.result(n)
}
