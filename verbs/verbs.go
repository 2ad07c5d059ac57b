package verbs

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"
	"pss/remote/api"
)

// command declares a cmdlet.
type command struct {
	name     string // PowerShell's spelling: "New-PSSession"
	aliases  []string
	synopsis string
	notes    string // differences from PowerShell, and what else help should say
	sets     []paramSet
	params   []param
	// positional has for each position the parameters that a bare word there can
	// mean; the first that is possible and takes the word gets it.
	positional [][]string
	forms      []string // parameters of which exactly one must be given; wordsForm among them
	words      string   // what stands behind -- is for, or empty if nothing may
	pipeline   bool     // standard input brings what no parameter names
	exact      bool     // the names of sessions on a computer are no patterns
	should     bool     // has -WhatIf and -Confirm
	prints     any      // an object of the type that it prints, or nil
	examples   []example
	run        func(ctx context.Context, rt *Runtime, in *input) error
}

// throttled reports whether the cmdlet has -ThrottleLimit.
func (c *command) throttled() bool {
	return slices.ContainsFunc(c.params, func(p param) bool { return p.Name == "ThrottleLimit" })
}

// asks reports whether the cmdlet asks computers for their sessions rather than
// making some there.
func (c *command) asks() bool {
	return slices.ContainsFunc(c.sets, func(s paramSet) bool { return s.name == setComputerInstance })
}

// complete adds the parameters that the cmdlet shares with all others.
func (c *command) complete() *command {
	if c.should {
		c.params = append(c.params, shouldParams()...)
	}
	c.params = append(c.params, commonParams()...)
	return c
}

// example is a command line, what it is for, and what it prints.
type example struct{ command, says, output string }

// input is a command line that was read.
type input struct {
	*cli.Context
	cmd         *command
	set         string // name of the parameter set
	passthrough []string
	dashes      bool // there was a --
	brace       bool // the script came as a brace block
}

// given reports whether the parameter was on the command line.
func (in *input) given(flag string) bool { return in.IsSet(flag) }

// constructors are the cmdlets by folded name; each is built when it is called.
var constructors = map[string]func() *command{}

// commandNames are all names and aliases, for finding one without building any.
var commandNames []CommandName

// register makes a cmdlet known. Its name and aliases are given apart so that
// start-up builds nothing. A duplicate panics.
func register(name string, aliases []string, build func() *command) {
	key := strings.ToLower(name)
	if _, ok := constructors[key]; ok {
		panic("cmdlet " + name + " registered twice")
	}
	constructors[key] = build
	commandNames = append(commandNames, CommandName{Name: name, Aliases: aliases})
}

// Run runs the command line argv, whose first word is the program's name, and
// returns the exit code.
func Run(ctx context.Context, rt *Runtime, argv []string) int {
	name, rest, err := findVerb(argv)
	if len(argv) > len(rest) {
		rt.called = strings.ToLower(argv[len(argv)-len(rest)-1])
	}
	if err != nil {
		return rt.fail(nil, err)
	}
	if name == "" {
		return help(rt, rest)
	}
	cmd := constructors[strings.ToLower(name)]().complete()
	return runCommand(ctx, rt, cmd, rest)
}

// findVerb finds the cmdlet that argv calls: by the program's own name, when the
// binary was linked under a cmdlet's, or by its first word.
func findVerb(argv []string) (name string, rest []string, err error) {
	base := argv[0][strings.LastIndexByte(argv[0], '/')+1:]
	if found, ok, _ := FindCommand(commandNames, base); ok {
		return found, argv[1:], nil
	}
	if len(argv) < 2 || strings.HasPrefix(argv[1], "-") || strings.EqualFold(argv[1], "help") || strings.EqualFold(argv[1], "get-help") {
		if len(argv) > 1 && isVersionFlag(argv[1]) {
			return "Version", argv[2:], nil
		}
		return "", argv[1:], nil
	}
	found, ok, near := FindCommand(commandNames, argv[1])
	if err := notYet(argv[1]); !ok && err != nil {
		return "", nil, err
	}
	if !ok {
		e := api.Errorf(api.CodeUsage, "%q is not a pss command", argv[1]).WithID("CommandNotFoundException").Hint("pss help lists the commands")
		if len(near) > 0 {
			e = e.Hint("did you mean %s? pss help lists the commands", strings.Join(near, " or "))
		}
		return "", nil, e
	}
	name, rest = subcommand(found, argv[2:])
	return name, rest, nil
}

// subcommand is the command of its own that name and the first word behind it are, as
// host rotate, or name.
func subcommand(name string, rest []string) (string, []string) {
	if len(rest) > 0 {
		if both := name + " " + strings.ToLower(rest[0]); constructors[strings.ToLower(both)] != nil {
			return both, rest[1:]
		}
	}
	return name, rest
}

func isVersionFlag(s string) bool { return strings.EqualFold(strings.TrimLeft(s, "-"), "version") }

// runCommand reads the command line and runs the cmdlet.
func runCommand(ctx context.Context, rt *Runtime, cmd *command, argv []string) int {
	params := make([]Parameter, len(cmd.params))
	for i := range cmd.params {
		params[i] = cmd.params[i].Parameter
	}
	n, err := Normalize(cmd.name, params, argv)
	set := ""
	if err == nil && !n.HelpWanted {
		n, set, err = cmd.resolve(n)
	}
	switch {
	case err != nil:
		return rt.fail(cmd, err)
	case n.HelpWanted:
		helpOn(rt.Stdout, cmd)
		return 0
	case n.HasPassthrough && cmd.words == "":
		return rt.fail(cmd, usage("PositionalParameterNotFound", "%s takes nothing behind --", cmd.name).Hint("pss help %s", strings.ToLower(cmd.name)))
	}
	in := &input{cmd: cmd, set: set, passthrough: n.Passthrough, dashes: n.HasPassthrough, brace: n.Brace}
	app := &cli.App{
		Name: "pss", HideHelp: true, HideVersion: true, HideHelpCommand: true,
		DisableSliceFlagSeparator: true, ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return err },
		Writer:       rt.Stderr, ErrWriter: rt.Stderr, Flags: flagsOf(cmd.given(n.Args)),
		Action: func(c *cli.Context) error {
			in.Context = c
			return rt.carryOut(ctx, in)
		},
	}
	return rt.fail(cmd, app.RunContext(ctx, append([]string{"pss"}, n.Args...)))
}

// flagsOf returns the flags of the parameters that were given: the framework takes its
// time for each, and reads one that it does not know as one that was not given.
func flagsOf(given []*param) []cli.Flag {
	flags := make([]cli.Flag, 0, len(given))
	for _, p := range given {
		switch p.Kind {
		case KindSwitch:
			flags = append(flags, &cli.BoolFlag{Name: p.FlagName()})
		case KindValue:
			flags = append(flags, &cli.StringFlag{Name: p.FlagName()})
		case KindList:
			flags = append(flags, &cli.StringSliceFlag{Name: p.FlagName()})
		}
	}
	return flags
}

// exitCode is the way in which a cmdlet ends with a code but no error to show.
type exitCode int

// Error is never shown.
func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// sortedCommands returns all cmdlets by name.
func sortedCommands() []*command {
	list := make([]*command, 0, len(constructors))
	for _, build := range constructors {
		list = append(list, build())
	}
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	return list
}
