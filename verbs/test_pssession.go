package verbs

import (
	"context"
	"strings"
	"sync"

	"pss/format"
	"pss/remote/api"
)

func init() { register("Test-PSSession", nil, newTestPSSession) }

func newTestPSSession() *command {
	return &command{
		name:     "Test-PSSession",
		synopsis: "Tells by which ways computers can be reached, and what to do where one cannot.",
		notes: "A computer that is named by --computer-name is tried as config.toml says, or by HTTPS on port 5986, and beside it through ssh as --host-name would, unless config.toml says ssh; " +
			"each way is a row. Status is Ok, Unreachable, AccessDenied, NotTrusted (its key is not the expected one, or was never seen), NoPss (ssh works, pss is not there), " +
			"WinRM (Windows Remote Management answers in the place of pss) or the code of another error. Clock is by how much the clock there is ahead of this one, " +
			"User as whom its host sees you; rows with the same HostId lead to the same host. Standard error has the reason of each failure. " +
			"No session is made. Nobody is asked whether a key that was never seen is right, and nobody for a password on account of an ssh that config.toml does not name. " +
			"The exit code is 0 where each computer can be reached in one way at least; else it is that of the way which the other cmdlets take: 240, or 241 where access is denied.",
		sets: []paramSet{{setComputer, nil}, {setURI, []string{"ConnectionUri"}}, {setHost, []string{"HostName"}}},
		params: append(computerParams("computers to try", "localhost", []string{setComputer}, []string{setURI}, []string{setHost}),
			throttleParam(),
			flag("ForgetKey", "first forget the key that is remembered of each computer's host: the one that it shows now counts as never seen").in(setComputer, setURI)),
		positional: [][]string{{"ConnectionUri", "ComputerName"}},
		examples: []example{
			{command: "pss test-pssession --computer-name server01 --property ComputerName,Transport,Status,Clock", says: "by HTTPS it can be reached, by ssh not",
				output: "ComputerName Transport  Status       Clock\n------------ ---------  ------       -----\nserver01     HTTPS      Ok           +0.0s\nserver01     SSH        Unreachable"},
			{command: "pss test-pssession --host-name ops@server02 --output list", says: "everything about one way"},
			{command: "pss test-pssession --computer-name @web --output json", says: "a whole group, for a script"},
		},
		prints: PSSessionTest{},
		run:    runTestPSSession,
	}
}

func runTestPSSession(ctx context.Context, rt *Runtime, in *input) error {
	computers, err := readComputers(rt, in)
	if err != nil {
		return err
	}
	if computers = once(computers); len(computers) == 0 {
		computers = []string{"localhost"}
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	if in.Bool("forget-key") {
		for _, computer := range computers {
			if err := agent.ForgetKey(ctx, computer); err != nil {
				return err
			}
		}
	}
	f := &failures{rt: rt, cmd: in.cmd}
	p := rt.newProgress("computers", len(computers), false)
	var mu sync.Mutex // of standard output
	live := rt.mode.Mode == format.ModeNDJSON
	replies := each(computers, throttle(in), func(_ int, ref string) (*api.TestReply, error) {
		r, err := agent.Test(ctx, ref)
		p.finished(api.ComputerOf(ref), howEnded(err), err != nil)
		if err != nil || !live {
			return r, err
		}
		mu.Lock()
		defer mu.Unlock()
		return r, rt.write(testsOf(ref, r))
	})
	p.end()
	tests := []PSSessionTest{}
	for i, r := range replies {
		if r.err == nil {
			tests = append(tests, testsOf(computers[i], r.value)...)
		}
	}
	if !live {
		if err := rt.write(tests); err != nil {
			return err
		}
	}
	for i, r := range replies {
		if r.err != nil {
			f.add(r.err)
			continue
		}
		f.tellWays(computers[i], r.value.Ways)
	}
	return f.result(len(computers))
}

func testsOf(ref string, r *api.TestReply) []PSSessionTest {
	out := make([]PSSessionTest, len(r.Ways))
	for i := range r.Ways {
		out[i] = newPSSessionTest(api.ComputerOf(ref), &r.Ways[i])
	}
	return out
}

// tellWays says what is wrong with the ways to a computer. It is a failure where none
// of them leads there: that of the first one, which the other cmdlets would take.
func (f *failures) tellWays(ref string, ways []api.Way) {
	reached := false
	for i := range ways {
		reached = reached || ways[i].Error == nil
	}
	for i := range ways {
		e := ways[i].Error
		switch {
		case e == nil:
		case i == 0 && !reached:
			c := *e
			c.RecommendedAction = nextStep(e)
			f.add(&c)
		default:
			name := api.ComputerOf(ref)
			f.rt.tell("%s by %s: %s", name, ways[i].Transport, cleanLines(strings.TrimPrefix(e.Message, "["+name+"] ")))
			if step := nextStep(e); step != "" {
				f.rt.tell("  %s", cleanLines(step))
			}
		}
	}
}
