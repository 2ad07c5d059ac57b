package verbs

import (
	"context"
	"io"
	"strings"
	"time"

	"pss/remote/api"
)

func init() {
	register("Send-PSSessionInput", []string{"sdsn"}, newSendPSSessionInput)
}

func newSendPSSessionInput() *command {
	return &command{
		name: "Send-PSSessionInput", aliases: []string{"sdsn"},
		synopsis: "Appends its standard input to that of the command which runs in a session, or closes it.",
		notes: "It goes on where the client that sent the input before was lost (InputState Interrupted), or where invoke-command --keep-input-open left it (Open). " +
			"The command sees end-of-file only with --eof. The session must be connected here. PowerShell has no such cmdlet.",
		sets: sessionSets(true, false),
		params: append(selectorParams(true),
			flag("Eof", "close the input behind what was sent"),
			flag("NoStdin", "send nothing; with --eof it only closes").alias("n"),
			retryParam()),
		positional: [][]string{{"Id", "Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "tail -c +$((n + 1)) dump.sql | pss send-pssessioninput --id 1 --eof", says: "the rest of an upload of which n bytes had arrived"},
			{command: "echo yes | pss send-pssessioninput --id 1", says: "an answer, and more may follow"},
			{command: "pss send-pssessioninput --id 1 --eof -n", says: "there is no more"},
		},
		run: runSendPSSessionInput,
	}
}

func runSendPSSessionInput(ctx context.Context, rt *Runtime, in *input) error {
	window := retryWindow(in)
	eof, none := in.Bool("eof"), in.Bool("no-stdin")
	sel, err := readSelector(rt, in)
	switch {
	case err != nil:
		return err
	case sel.empty() || sel.stdin:
		return usage("MissingMandatoryParameter", "no session was named").Hint("give --id, --name, --session or --computer-name; standard input is for the command")
	case none && !eof:
		return usage("MissingMandatoryParameter", "without standard input there is nothing to do").Hint("close the input with --eof -n, or send some")
	}
	t, err := readTargets(ctx, rt, in)
	if err != nil {
		return err
	}
	if len(t.sessions) > 1 {
		return usage("AmbiguousParameterSet", "%d sessions were named; standard input can go to one only", len(t.sessions))
	}
	n := t.count()
	for _, s := range t.sessions {
		input := io.Reader(rt.Stdin)
		if none {
			input = strings.NewReader("")
		}
		t.add(sendInput(ctx, rt, t, s, input, eof, window))
	}
	return t.result(n)
}

// sendInput appends input to that of the session's running command.
func sendInput(ctx context.Context, rt *Runtime, t *targets, s *api.Session, input io.Reader, eof bool, window time.Duration) error {
	p := s.Runspace.Running()
	switch {
	case s.State != api.StateOpened:
		return notConnected(s)
	case p == nil:
		return api.Errorf(api.CodeInvalidState, "session %s runs no command", s.Runspace.Name).WithID("SendPSSessionInputNotPossible").On(s.Runspace.Name)
	}
	d := newDelivery(alone(rt), s)
	drive := d.drive(t.agent, s.Runspace.InstanceID, api.StreamRequest{Pipeline: p.ID, InputOnly: true, KeepInput: !eof}, window)
	drive.Input, drive.AppendInput = input, true
	return d.run(ctx, drive)
}
