package install

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"pss/config"
	"pss/remote/api"
)

// Commands are the programs of the computer, as far as they are needed.
type Commands interface {
	// Has reports whether there is a program of that name.
	Has(name string) bool
	// Run runs it and returns what it printed, also as part of the error.
	Run(ctx context.Context, name string, args ...string) (string, error)
}

// Programs are the computer's own.
type Programs struct{}

// Has looks in PATH.
func (Programs) Has(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// Run waits for the program's end.
func (Programs) Run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return string(out), api.Errorf(api.CodeInternal, "%s %s: %v: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out))).
			WithID("ServiceManagerFailed").Hint("set right what it says, and call again: what is done already is kept")
	}
	return string(out), nil
}

// Installer is one call of Enable-PSRemoting or Disable-PSRemoting.
type Installer struct {
	Paths    config.Paths // of the daemon
	System   bool         // root's, for all users
	User     string       // who calls
	Root     string       // what stands before each path outside of Paths: empty, but in tests
	UserHome string       // of who calls
	UID      int

	Listen string // empty: config.DefaultSystemListen
	Binary string // that the service is to run; empty: the one that runs now
	Force  bool   // replace what is in the way; end sessions that are

	Patience time.Duration // with a service that starts; default 30 s

	Commands    Commands
	Self        func() (string, error)                       // the path of the binary that runs now
	Fingerprint func(config.Paths) (string, error)           // of the host's certificate, which it makes
	Should      func(action, target string) (bool, error)    // whether a step is to be done
	Ask         func(question string) (agreed bool, e error) // before what cannot be taken back
	Note, Warn  func(text string)
}

// Result is the service that runs then.
type Result struct {
	ComputerName  string // by which others reach it
	Address       string
	Port          int
	Fingerprint   string
	Service       string // its manager
	Serves        string // a user, or all
	Binary        string
	Unit          string // the file of the service manager
	Configuration string // host.toml
	Pid           int
	Changes       []string // what was done; empty: everything was there
	Command       string   // to type on a client
}

// step does one thing, if it is wanted.
func (in *Installer) step(done *[]string, action, target string, do func() error) error {
	ok, err := in.Should(action, target)
	if err != nil || !ok {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	text := action + ": " + target
	*done = append(*done, text)
	in.Note(text)
	return nil
}

func (in *Installer) note(format string, args ...any) { in.Note(fmt.Sprintf(format, args...)) }
