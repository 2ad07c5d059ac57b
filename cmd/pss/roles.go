package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"pss/config"
	"pss/remote/agent"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/host"
	"pss/remote/platform"
	"pss/remote/sessionhost"
	"pss/remote/sshlink"
	"pss/remote/worker"
	"pss/verbs"
)

// role runs one of the hidden processes and returns its exit code. What it has
// to say goes to its log, which is its standard error.
func role(ctx context.Context, f func(context.Context, *slog.Logger) error) int {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := f(ctx, log); err != nil {
		log.Error("ended", "error", err)
		return 1
	}
	return 0
}

// untilSignalled returns a context that ends with SIGTERM or SIGINT. A role
// ignores SIGHUP: it has no terminal, and a logout is not its end.
func untilSignalled(ctx context.Context) (context.Context, func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	return signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
}

// readyPipe is the descriptor on which whoever started us waits.
func readyPipe() io.WriteCloser { return os.NewFile(platform.ReadyFD, "ready") }

func runAgent(ctx context.Context, log *slog.Logger) error {
	platform.SetProcessName("pss-agent")
	ctx, stop := untilSignalled(ctx)
	defer stop()
	paths, err := config.Find()
	if err != nil {
		return err
	}
	ready := readyPipe()
	return agent.Run(ctx, paths, &closeAfterLine{ready}, log)
}

func runSessionHost(ctx context.Context, log *slog.Logger) error {
	platform.SetProcessName("pss-session")
	// SIGTERM removes nothing: the session is Broken then, and all that it printed is kept.
	ctx, stop := untilSignalled(ctx)
	defer stop()
	return sessionhost.Run(ctx, os.Stdin, readyPipe(), log)
}

// runInit is the first process of a container that was made for pss host. It holds the
// host's lock for it, so that no other host comes in between when that is started again.
func runInit() int {
	var lock *platform.Lock // without it the host says what is wrong
	if paths, err := config.Find(); err == nil && paths.Prepare() == nil {
		lock, _ = platform.TakeLock(paths.HostLock())
	}
	return platform.RunInit(lock, slog.New(slog.NewJSONHandler(os.Stderr, nil)))
}

// runHost is pss host, in the foreground or embedded.
func runHost(ctx context.Context, in verbs.HostSettings) error {
	platform.SetProcessName("pss-host")
	ctx, stop := untilSignalled(ctx)
	defer stop()
	paths, err := hostPaths(in)
	if err != nil {
		return err
	}
	switch {
	case in.Stdio:
		return runRelay(ctx, paths, in)
	case in.Worker:
		return runWorker(ctx, paths)
	}
	load := func() (*config.Host, error) { return loadHost(paths, in) }
	conf, err := load()
	if err != nil {
		return err
	}
	level := &slog.LevelVar{}
	level.Set(conf.Complete().Level())
	o := host.Options{
		Paths: paths, Config: conf, Embedded: in.Embedded, Ready: os.Stdout,
		Log: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})), Level: level,
	}
	if in.Embedded {
		o.Ready = &closeAfterLine{readyPipe()}
		return host.Run(ctx, o)
	}
	// The daemon has an owner who sends it SIGHUP on purpose; an embedded host ignores it.
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	o.Reload, o.Load = again, load
	return host.Run(ctx, o)
}

// loadHost reads host.toml; the flags go before it.
func loadHost(paths config.Paths, in verbs.HostSettings) (*config.Host, error) {
	conf, err := paths.LoadHost()
	if err != nil {
		return nil, err
	}
	if in.Listen != "" {
		conf.Listen = in.Listen
	}
	for _, f := range []struct {
		text string
		to   *config.Duration
	}{{in.Linger, &conf.Linger}, {in.Lease, &conf.Lease}} {
		if f.text == "" {
			continue
		}
		d, err := api.ParseDuration(f.text, time.Second)
		if err != nil {
			return nil, api.Errorf(api.CodeUsage, "%v", err).WithID("CannotConvertArgument")
		}
		*f.to = config.Duration(d)
	}
	return conf, nil
}

// startOwn starts the user's own host, without a port.
func startOwn(paths config.Paths) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := paths.Prepare(); err != nil {
			return err
		}
		_, err := client.StartRole(ctx, paths.HostLog(), "host", "--embedded", "--listen", config.ListenNone)
		if held, lerr := platform.LockHeld(paths.HostLock()); lerr == nil && held {
			return nil // another connection was faster, or one that ends stood in the way
		}
		return err
	}
}

// runWorker is the process by which this computer's daemon reaches the host of the user
// that we run as.
func runWorker(ctx context.Context, paths config.Paths) error {
	platform.SetProcessName("pss-worker")
	platform.Conceal()
	platform.LikeALogin()
	control, err := platform.ConnOf(os.NewFile(platform.ReadyFD, "control"))
	if err != nil {
		return api.Errorf(api.CodeUsage, "--worker is for this computer's daemon: %v", err).WithID("WorkerWithoutDaemon").
			Hint("start the daemon: sudo pss enable-psremoting")
	}
	return worker.Run(ctx, control, client.OnDemand(paths.HostSocket(), startOwn(paths)), slog.New(slog.NewJSONHandler(os.Stderr, nil)))
}

// runRelay is the far end of an ssh: it joins our standard input and output to the
// daemon of this computer, or, where none serves, to the user's own host, which is started
// if it does not run, without a port.
func runRelay(ctx context.Context, paths config.Paths, in verbs.HostSettings) error {
	platform.SetProcessName("pss-relay")
	heartbeat, err := api.ParseDuration(cmp.Or(in.Heartbeat, config.DefaultHeartbeat.String()), time.Second)
	if err != nil || heartbeat <= 0 {
		return api.Errorf(api.CodeUsage, "a heartbeat cannot be %q", in.Heartbeat).WithID("CannotConvertArgument")
	}
	// Like a role it mostly waits, and what it passes on goes from one goroutine to the
	// next: on one processor that wakes no threads.
	runtime.GOMAXPROCS(1)
	from := client.FromSSH(os.Getenv("SSH_CONNECTION"))
	daemon := &client.Daemon{From: from, Find: func() (string, bool) {
		info, ok := config.Daemon()
		return info.Socket, ok
	}}
	r := &sshlink.Relay{
		In: platform.Polled(os.Stdin), Out: platform.Polled(os.Stdout), Hello: in.Hello, Heartbeat: heartbeat,
		Dial: daemon.Or(client.DialOwner(paths.HostSocket(), from, startOwn(paths))),
	}
	return r.Run(ctx)
}

// askpass asks what an ssh wants to know, by way of the agent that started the ssh, and
// prints the answer. It returns false where nobody answers.
func askpass(ctx context.Context, where, prompt string) bool {
	token, socket, ok := strings.Cut(where, ":")
	if !ok {
		return false
	}
	cl := &client.Client{Timeout: time.Hour, Dial: func(ctx context.Context) (net.Conn, error) { return platform.Dial(ctx, socket) }}
	answer, err := cl.Askpass(ctx, &api.AskpassRequest{Token: token, Prompt: prompt, Hint: os.Getenv("SSH_ASKPASS_PROMPT")})
	if err != nil || answer.Cancelled {
		return false
	}
	fmt.Println(answer.Text)
	return true
}

// closeAfterLine closes the ready pipe behind the one line that is awaited.
type closeAfterLine struct{ w io.WriteCloser }

// Write passes the line on and closes.
func (c *closeAfterLine) Write(p []byte) (int, error) {
	defer c.w.Close()
	return c.w.Write(p)
}
