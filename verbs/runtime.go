package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"golang.org/x/term"
	"pss/config"
	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// Runtime is everything of the world that a cmdlet can reach.
type Runtime struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// HostRoot runs the daemon in this process; cmd/pss sets it, because the
	// cmdlets know no process but the agent.
	HostRole func(ctx context.Context, in HostSettings) error
	// RotateKey begins or finishes a change of the own host's key; cmd/pss sets it.
	RotateKey func(ctx context.Context, finish bool) (HostKey, error)
	// EnableRemoting and DisableRemoting install the daemon as a service of the computer,
	// and undo that; cmd/pss sets them.
	EnableRemoting  func(ctx context.Context, in RemotingSettings) (*PSRemoting, error)
	DisableRemoting func(ctx context.Context, in RemotingSettings) error

	manners
	called string // the name by which the cmdlet was called
	mode   format.Options
	agent  *client.Client
	asks   asking
	trust  trusting
	found  *config.Paths
}

// HostSettings are the parameters of pss host.
type HostSettings struct {
	Listen   string
	System   bool // for all users of the computer
	Embedded bool
	Linger   string
	Lease    string

	Stdio     bool // the far end of an ssh
	Worker    bool // by which the daemon of the computer reaches this user's host
	Hello     string
	Heartbeat string
}

// setOutput reads --output, --property, PSS_OUTPUT and config.toml, in this order.
func (rt *Runtime) setOutput(in *input) error {
	text := in.String("output")
	if text == "" {
		text = rt.Getenv("PSS_OUTPUT")
	}
	if text == "" && rt.called == "ls" {
		text = string(format.ModeWide)
	}
	if text == "" {
		text = rt.configuredOutput()
	}
	rt.mode = format.Options{Mode: format.ModeTable, Properties: in.StringSlice("property")}
	if text == "" {
		return nil
	}
	m, err := format.ParseMode(text)
	if err != nil {
		return formatError(err)
	}
	rt.mode.Mode = m
	return nil
}

// paths finds the caller's folders, once.
func (rt *Runtime) paths() (config.Paths, error) {
	if rt.found == nil {
		p, err := config.Find()
		if err != nil {
			return p, err
		}
		rt.found = &p
	}
	return *rt.found, nil
}

// configuredOutput is the output format of config.toml. A file that cannot be read
// gives none: it is reported when an agent has to start with it.
func (rt *Runtime) configuredOutput() string {
	paths, err := rt.paths()
	if err != nil {
		return ""
	}
	c, err := paths.LoadClient()
	if err != nil {
		return ""
	}
	return c.Defaults.Output
}

// write prints objects in the wanted format.
func (rt *Runtime) write(objects any) error {
	o := rt.mode
	if f, ok := rt.Stdout.(*os.File); ok && (o.Mode == format.ModeTable || o.Mode == format.ModeWide) && term.IsTerminal(int(f.Fd())) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = w
		}
	}
	o.Colour = rt.colours(rt.Stdout)
	return formatError(format.Write(rt.Stdout, o, objects))
}

// ahead does what the answer will need while the agent is still at it: in a
// process that lives for milliseconds everything is done for the first time.
func ahead(f func()) { go f() }

func formatError(err error) error {
	var u *format.UsageError
	if errors.As(err, &u) {
		return usage("ParameterBindingFailed", "%s", u.Message).Hint("%s", u.Hint)
	}
	return err
}

// machine reports whether the output is read by a program.
func (rt *Runtime) machine() bool {
	return rt.mode.Mode == format.ModeJSON || rt.mode.Mode == format.ModeNDJSON
}

// agentRetry is how long a request is repeated that a killed agent did not answer.
const agentRetry = 10 * time.Second

// Agent returns the client for the agent, which is started when the first
// request finds none.
func (rt *Runtime) Agent() (*client.Client, error) {
	if rt.agent != nil {
		return rt.agent, nil
	}
	paths, err := rt.paths()
	if err != nil {
		return nil, err
	}
	if err := paths.Check(); err != nil {
		return nil, err
	}
	start := func(ctx context.Context) error {
		// Prepared here, so that an unusable folder is the cmdlet's own clear error.
		if err := paths.Prepare(); err != nil {
			return err
		}
		// The agent would go on without a file that it cannot read.
		if _, err := paths.LoadClient(); err != nil {
			return err
		}
		_, err := client.StartRole(ctx, paths.AgentLog(), "agent")
		if user := client.Lingerer(); user != "" {
			rt.warn("LingeringEnabled", fmt.Sprintf("Lingering was enabled for user %s, so that sessions survive the logout "+
				"(undo: loginctl disable-linger).", user), user)
		}
		return err
	}
	rt.agent = &client.Client{Dial: client.OnDemand(paths.AgentSocket(), start), Host: "pss-agent", Retry: agentRetry}
	rt.agent.Header = http.Header{}
	if name := rt.Getenv("PSS_CLIENT_SESSION"); name != "" {
		rt.agent.Header.Set(api.HeaderClientSession, name)
	}
	rt.agent.Seen = rt.seeNotices
	rt.introduce()
	if rt.verbose {
		rt.traceRequests()
	}
	return rt.agent, nil
}

// stdinTerminal reports whether standard input is a terminal.
func (rt *Runtime) stdinTerminal() bool { return term.IsTerminal(int(rt.Stdin.Fd())) }

// stdinData returns standard input if it may hold data for a command: it is
// open, no terminal and not /dev/null.
func (rt *Runtime) stdinData() io.Reader {
	st, err := rt.Stdin.Stat()
	if err != nil || rt.stdinTerminal() {
		return nil
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(st, null) {
		return nil
	}
	return rt.Stdin
}

// behindKey begins a new line where the terminal has just shown ^C.
func (rt *Runtime) behindKey() {
	if f, ok := rt.Stderr.(*os.File); ok && rt.stdinTerminal() && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(f)
	}
}

// interrupts returns Ctrl-C as a channel; stop gives it its usual meaning back.
func (rt *Runtime) interrupts() (c <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, os.Interrupt)
	return ch, func() { signal.Stop(ch) }
}

// locale is what a new session takes over of the client's environment.
func (rt *Runtime) locale() map[string]string {
	set := map[string]string{}
	for _, name := range []string{
		"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY",
		"LC_MESSAGES", "LC_PAPER", "LC_NAME", "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION",
	} {
		if v := rt.Getenv(name); v != "" {
			set[name] = v
		}
	}
	return set
}
