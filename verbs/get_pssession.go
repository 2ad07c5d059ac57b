package verbs

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"pss/format"
	"pss/remote/api"
)

func init() { register("Get-PSSession", []string{"gsn", "ls"}, newGetPSSession) }

func newGetPSSession() *command {
	return &command{
		name: "Get-PSSession", aliases: []string{"gsn", "ls"},
		synopsis: "Gets the sessions of this client session, or all of yours on a computer.",
		notes: "Without --computer-name it lists the sessions that were made or connected in this client session, wherever they live. " +
			"With it, every session of yours there, from all clients. State tells whether the session is attached to you, Availability whether it can be connected: " +
			"Disconnected/None can, Disconnected/Busy is held by another client. pss ls is pss get-pssession --output wide: " +
			"what each session's command does, its age, unread output, and who holds it. An empty listing says on standard error what your other client sessions hold.",
		sets: sessionSets(true, true),
		params: append(slices.Concat(selectorParams(true), machineParams()),
			flag("All", "ask every computer that you have used").in(setName),
			flag("Watch", "show changes as they come, until Ctrl-C"),
			value("Interval", "with --watch: the time between two looks").takes(duration("SECONDS", time.Second, time.Second/10, time.Hour, false)).byDefault("1"),
			value("State", "only sessions in this state").takes(oneOfThese(sessionStates...)).byDefault("All"),
			sessionOptionParam("the object that pss new-pssessionoption prints, or part of it; OperationTimeout takes effect").
				in(queryingSets...).byDefault("none"),
			throttleParam().in(queryingSets...)),
		positional: [][]string{{"Id", "Session", "ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss get-pssession", says: "what this client session holds",
				output: "Id Name   ComputerName  State   ConfigurationName     Availability\n-- ----   ------------  -----   -----------------     ------------\n 1 build  server01      Opened  Microsoft.PowerShell     Available"},
			{command: "pss get-pssession --computer-name server01 --state Disconnected", says: "what can be taken up again there",
				output: "Id Name   ComputerName  State         ConfigurationName     Availability\n-- ----   ------------  -----         -----------------     ------------\n 1 build  server01      Disconnected  Microsoft.PowerShell          None"},
			{command: "pss get-pssession --all --output wide", says: "everything that is yours, wherever it is"},
			{command: "pss get-pssession --computer-name @web --watch", says: "what becomes of it"},
		},
		prints: PSSession{},
		run:    runGetPSSession,
	}
}

// sessionStates are the values of -State.
var sessionStates = []string{"All", string(api.StateOpened), string(api.StateDisconnected), string(api.StateClosed), string(api.StateBroken)}

func runGetPSSession(ctx context.Context, rt *Runtime, in *input) error {
	sel, err := readSelector(rt, in)
	if err != nil {
		return err
	}
	sel.listing, sel.all = true, in.Bool("all")
	if in.given("throttle-limit") {
		sel.throttle = throttle(in)
	}
	if in.Bool("watch") {
		return watchSessions(ctx, rt, in, &sel)
	}
	ahead(func() {
		var list api.SessionList
		_ = json.Unmarshal([]byte(`{"Sessions":[{"Runspace":{"Attached":{},"Pipelines":[{}]}}]}`), &list)
		_ = format.Write(io.Discard, rt.mode, []PSSession{{}})
	})
	var options sessionOptions
	if in.given("session-option") {
		if options, err = sessionOption(rt, in); err != nil {
			return err
		}
	}
	ctx, cancel := options.answering(ctx)
	defer cancel()
	f := &failures{rt: rt, cmd: in.cmd}
	found, err := getSessions(ctx, rt, in, &sel, f)
	if err != nil {
		return options.late(err)
	}
	if err := rt.write(newPSSessions(found)); err != nil {
		return err
	}
	rt.tellBlocked(found)
	if n := sel.elsewhere; n > 0 && sel.empty() {
		rt.tell("This client session has no sessions; your other ones hold %d: pss get-pssession --all", n)
	}
	return f.result(max(1, len(sel.computers)))
}

// getSessions returns the sessions that the command line asks for.
func getSessions(ctx context.Context, rt *Runtime, in *input, sel *selector, f *failures) (found []*api.Session, err error) {
	if sel.empty() {
		found, err = sel.local(ctx, rt, f)
	} else {
		found, err = sel.find(ctx, rt, in, f)
	}
	if state := in.String("state"); state != "" && state != "All" {
		found = slices.DeleteFunc(found, func(s *api.Session) bool { return string(s.State) != state })
	}
	return found, err
}

// tellBlocked says on standard error which sessions wait for a reader: their table
// row looks like that of any other.
func (rt *Runtime) tellBlocked(sessions []*api.Session) {
	for _, s := range sessions {
		if s.CommandState == api.CommandBlocked {
			rt.tell("The command in session %s on %s waits: its output buffer is full. Receive it:\n  pss receive-pssession %s",
				strconv.Quote(s.Runspace.Name), s.ComputerName, whereIs(s))
		}
	}
}

// oneOf reads an enumeration value: in any case, whole or as a unique prefix.
func oneOf(param, value string, values []string) (string, error) {
	if value == "" {
		return "", nil
	}
	var found []string
	for _, v := range values {
		if strings.EqualFold(v, value) {
			return v, nil
		}
		if len(value) <= len(v) && strings.EqualFold(v[:len(value)], value) {
			found = append(found, v)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return "", usage("CannotConvertArgument", "-%s cannot be %q", param, value).Hint("use one of %s", strings.Join(values, ", "))
}
