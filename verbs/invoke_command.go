package verbs

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/planted"
)

func init() { register("Invoke-Command", []string{"icm", "run"}, newInvokeCommand) }

func newInvokeCommand() *command {
	on := []string{setComputer, setURI, setHost}
	params := slices.Concat(selectorParams(false), computerParams("run in a temporary session on each", "", on[:1], on[1:2], on[2:]), []param{
		value("ScriptBlock", "the script, quoted").alias("Command").block(),
		value("FilePath", "a local file with the script").alias("PSPath").takes(notEmpty("FILE")),
		list("ArgumentList", "become $1 $2 … of the script").alias("Args"),
		value("InputObject", "").refused("standard input is given to the command"),
		flag("NoStdin", "do not read standard input").alias("n").byDefault("a terminal is never read"),
		flag("InDisconnectedSession", "start in a new session and disconnect at once").alias("Disconnected").in(on...),
		list("SessionName", "names of those sessions, one per computer").in(on...).takes(notEmpty("NAME")).byDefault("Session<N>"),
		throttleParam(),
		ifAbsentParam("where a session of that name is there, start nothing and print it").in(on...),
		flag("KeepInputOpen", "with --in-disconnected-session: standard input goes on with pss send-pssessioninput").in(on...),
		hideParam(),
		flag("RemoteDebug", "").refused("there is no debugger for shells"),
		flag("NoNewScope", "").refused("a script always runs in a session; its shell keeps directory and variables"),
	}, asJobParams(), creationParams(on), machineParams(), []param{retryParam()})
	return &command{
		name: "Invoke-Command", aliases: []string{"icm", "run"},
		synopsis: "Runs a script in a session, or in a temporary one on a computer, and delivers its output as it comes.",
		notes: "Standard output, standard error and the exit code are the command's own; failures of pss itself are 240 to 247 (pss help about_Exit_Codes). " +
			"Standard input is given to the command, and end-of-file reaches it only if it was sent. Ctrl-C stops the command, twice leaves it behind. " +
			"With --in-disconnected-session it prints the session instead of any output, and everything on standard input is stored on the host first. " +
			"Quote the script: an unquoted { block } loses ; | & $ and * to the local shell.",
		sets:   append(sessionSets(false, false), paramSet{setComputer, []string{"ComputerName"}}, paramSet{setURI, []string{"ConnectionUri"}}, paramSet{setHost, []string{"HostName"}}),
		params: params, forms: []string{"ScriptBlock", "FilePath", wordsForm},
		positional: [][]string{{"Session", "ConnectionUri", "ComputerName"}, {"ScriptBlock"}},
		words:      "one command and its arguments, whose boundaries are kept exactly",
		examples: []example{
			{command: "pss invoke-command --computer-name server01 --script-block 'uname -a; df -h'", says: "in a temporary session"},
			{command: "pss invoke-command --session 1 --script-block 'cd /tmp; n=41'", says: "a session keeps directory and variables"},
			{command: "pss invoke-command --session 1 --script-block 'echo $PWD $((n + 1))'", output: "/tmp 42"},
			{command: "pss invoke-command --computer-name server01 --in-disconnected-session --session-name nightly --file-path build.sh", says: "start, disconnect, go home",
				output: "Id Name     ComputerName  State         ConfigurationName     Availability\n-- ----     ------------  -----         -----------------     ------------\n 2 nightly  server01      Disconnected  Microsoft.PowerShell          None"},
			{command: "pss icm db1 -- pg_dump --file '/backup/my db.sql' main", says: "one command with exact arguments"},
			{command: "tar c . | pss icm --session 1 --script-block 'tar x -C /srv/www'", says: "with standard input"},
		},
		prints: PSSession{},
		run:    runInvokeCommand,
	}
}

// invokeOptions are what the parameters of Invoke-Command mean.
type invokeOptions struct {
	sel          selector
	cmd          api.Command
	noStdin      bool
	disconnected bool
	sessionNames []string
	ifAbsent     bool
	keepInput    bool
	window       time.Duration
	throttle     int
}

func readInvoke(rt *Runtime, in *input) (o invokeOptions, err error) {
	if o.sel, err = readSelector(rt, in); err != nil {
		return o, err
	}
	o.window, o.throttle = retryWindow(in), throttle(in)
	o.noStdin, o.disconnected, o.sessionNames = in.Bool("no-stdin"), in.Bool("in-disconnected-session"), in.StringSlice("session-name")
	o.ifAbsent, o.keepInput = in.Bool("if-absent"), in.Bool("keep-input-open")
	switch {
	case (o.ifAbsent || o.keepInput) && !o.disconnected:
		return o, usage("System.InvalidOperationException", "--if-absent and --keep-input-open need --in-disconnected-session")
	case o.ifAbsent && len(o.sessionNames) == 0:
		return o, usage("MissingMandatoryParameter", "--if-absent needs a name").Hint("give --session-name NAME")
	case o.sel.empty():
		return o, usage("MissingMandatoryParameter", "no session and no computer was named").
			Hint("give --computer-name COMPUTER for a temporary session, or --session Id")
	case len(o.sessionNames) > 0 && !o.disconnected:
		return o, usage("System.InvalidOperationException", "--session-name needs --in-disconnected-session")
	}
	o.cmd, err = readCommand(in)
	if !o.disconnected && len(o.sel.computers) == 0 {
		o.cmd.OnFinish = in.String("on-finish")
	}
	return o, err
}

// readCommand reads the script in whichever form it was given.
func readCommand(in *input) (api.Command, error) {
	var cmd api.Command
	cmd.Script = in.String("script-block")
	if path := in.String("file-path"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return cmd, usage("FileReadError", "the script file could not be read: %v", err)
		}
		cmd.Script = string(text)
	}
	if in.dashes {
		cmd.Argv = in.passthrough
	}
	cmd.Arguments = in.StringSlice("argument-list")
	switch {
	case in.dashes && len(cmd.Argv) == 0:
		return cmd, usage("MissingMandatoryParameter", "there is no command behind --")
	case in.dashes && len(cmd.Arguments) > 0:
		return cmd, usage("AmbiguousParameterSet", "--argument-list is for scripts; behind -- the arguments follow the command")
	}
	for _, text := range append(append([]string{cmd.Script}, cmd.Arguments...), cmd.Argv...) {
		if strings.IndexByte(text, 0) >= 0 {
			return cmd, usage("ScriptContainsNul", "the script holds a NUL byte, which no shell can read").
				Hint("send binary data as standard input")
		}
	}
	interpreted(&cmd, in.String("file-path"))
	return cmd, nil
}

func runInvokeCommand(ctx context.Context, rt *Runtime, in *input) error {
	o, err := readInvoke(rt, in)
	if err != nil {
		return err
	}
	job, err := asJob(in)
	switch {
	case err != nil:
		return err
	case job:
		return invokeAsJob(ctx, rt, in, &o)
	case o.disconnected:
		return invokeDisconnected(ctx, rt, in, &o)
	case len(o.sel.computers) > 0:
		return invokeOnComputers(ctx, rt, in, &o)
	}
	return invokeInSessions(ctx, rt, in, &o)
}

// invokeInSessions runs the command in sessions that exist. One that is named
// by its identity alone is not asked about first.
func invokeInSessions(ctx context.Context, rt *Runtime, in *input, o *invokeOptions) error {
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	f := &failures{rt: rt, cmd: in.cmd}
	var targets []*api.Session
	refs, err := o.sel.references(rt.Stdin)
	if err != nil {
		return err
	}
	if len(refs) == 1 && len(o.sel.names) == 0 && refs[0].ComputerName == "" && !rt.machine() {
		targets = []*api.Session{{ID: refs[0].ID, Runspace: api.RunspaceInfo{InstanceID: refs[0].InstanceID}}}
	} else if targets, err = o.sel.find(ctx, rt, in, f); err != nil {
		return err
	}
	if err := noDuplicates(targets); err != nil {
		return err
	}
	n := len(targets) + f.count
	g := newTogether(rt, in, n, targets)
	return eachTarget(f, g, n, o.throttle, targets, func(s *api.Session) error {
		return invokeOne(ctx, g, agent, s, o)
	})
}

// invokeOnComputers runs the command in a temporary session on each computer.
func invokeOnComputers(ctx context.Context, rt *Runtime, in *input, o *invokeOptions) error {
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	base, err := creation(rt, in)
	if err != nil {
		return err
	}
	f := &failures{rt: rt, cmd: in.cmd}
	n := len(o.sel.computers)
	var targets []*api.Session
	for _, c := range o.sel.computers {
		t := &api.Session{}
		t.At(c)
		targets = append(targets, t)
	}
	g := newTogether(rt, in, n, targets)
	return eachTarget(f, g, n, o.throttle, targets, func(t *api.Session) error {
		req := base
		req.ComputerName, req.Temporary = t.Computer(), true
		s, err := agent.Create(ctx, uuid.NewString(), &req)
		if err != nil {
			e := toError(err)
			return e.WithID(strings.TrimSuffix(e.FullyQualifiedErrorID, ",PSSessionOpenFailed") + ",PSSessionStateBroken").On(t.ComputerName)
		}
		rt.tellNoNetworkAccess(&req, s)
		planted.Point("client-temporary")
		err = invokeOne(ctx, g, agent, s, o)
		if leftBehind(err) || planted.On("temporary-session-left") {
			return err
		}
		planted.Point("client-remove")
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if rerr := agent.Remove(end, s.Runspace.InstanceID, 0, false); rerr != nil && err == nil {
			return rerr
		}
		return err
	})
}

// leftBehind reports whether the temporary session goes on without us.
func leftBehind(err error) bool {
	if code, ok := err.(exitCode); ok {
		return code == leftCode
	}
	return api.IsCode(err, api.CodeOutcomeUnknown)
}

// leftCode is that of a command that we left, as DESIGN 6 says.
const leftCode = exitCode(247)

// invokeOne runs the command in one session and delivers its output.
func invokeOne(ctx context.Context, g *together, agent *client.Client, s *api.Session, o *invokeOptions) error {
	rt := g.rt
	cmd := o.cmd
	d := newDelivery(g, s)
	ref := d.ref()
	drive := d.drive(agent, ref, api.StreamRequest{Pipeline: uuid.NewString(), Start: &cmd}, o.window)
	if input := rt.stdinData(); input != nil && !o.noStdin && !g.several {
		cmd.Input, drive.Input = api.InputModeStream, input
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	interrupts, stop := rt.interrupts()
	defer stop()
	drive.Signals = passInterrupts(ctx, interrupts, drive, true, d.cancelTimeout, cancel)
	err := d.run(ctx, drive)
	if context.Cause(ctx) == errDetached {
		rt.behindKey()
		if err := d.Flush(); err != nil {
			return err
		}
		d.found(drive)
		d.leave(agent, api.DetachedByClient)
		d.resumeLine()
		return leftCode
	}
	return d.result(err)
}

// patiencePace is how exactly the time is kept that a stopped command is waited for.
const patiencePace = 50 * time.Millisecond

// passInterrupts makes the first Ctrl-C a signal to the command if stops is set; the
// next one, or the first, leaves the delivery, and so does a command that has not
// ended after patience. So does every one while the connection is lost: it would not
// reach the command.
func passInterrupts(ctx context.Context, interrupts <-chan os.Signal, drive *client.Drive, stops bool, patience func() time.Duration, cancel context.CancelCauseFunc) <-chan string {
	signals := make(chan string, 1)
	go func() {
		var look <-chan time.Time // patience may be told later than the key is pressed
		var since time.Time
		for first := stops; ; first = false {
			select {
			case <-look:
				if d := patience(); d > 0 && time.Since(since) >= d {
					cancel(errDetached)
					return
				}
			case <-interrupts:
				if !first || drive.Lost() && !planted.On("interrupt-into-the-void") {
					cancel(errDetached)
					return
				}
				signals <- "INT"
				ticker := time.NewTicker(patiencePace)
				defer ticker.Stop()
				look, since = ticker.C, time.Now()
			case <-ctx.Done():
				return
			}
		}
	}()
	return signals
}
