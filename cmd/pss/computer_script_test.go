//go:build linux

package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdComputer makes a computer in the script's network, with users and groups:
// computer server01 -users alice,bob -group devs:alice,bob
func cmdComputer(ts *testscript.TestScript, neg bool, args []string) {
	usage := func() { ts.Fatalf("usage: computer NAME [-users NAME,…] [-group NAME:USER,…]…") }
	if neg || len(args) == 0 || len(args)%2 == 0 {
		usage()
	}
	o := ComputerOptions{Name: args[0], Groups: map[string][]string{}}
	for args = args[1:]; len(args) > 0; args = args[2:] {
		switch args[0] {
		case "-users":
			o.Users = strings.Split(args[1], ",")
		case "-group":
			name, members, ok := strings.Cut(args[1], ":")
			if !ok {
				usage()
			}
			o.Groups[name] = strings.Split(members, ",")
		default:
			usage()
		}
	}
	w := sceneOf(ts)
	if w.net == nil {
		var err error
		w.net, err = NewNet()
		ts.Check(err)
	}
	c, err := w.net.Computer(o)
	ts.Check(err)
	ts.Setenv(o.Name+"_root", c.Path(""))
	for _, u := range o.Users {
		ts.Setenv(u+"_uid", strconv.Itoa(c.users[u].UID))
	}
}

// computerOf returns a computer that the script made.
func computerOf(ts *testscript.TestScript, name string) *Computer {
	w := sceneOf(ts)
	if w.net == nil || w.net.Named(name) == nil {
		ts.Fatalf("no computer %q was made", name)
	}
	return w.net.Named(name)
}

// cmdOn runs a command on a computer, as root or as one of its users, and demands that
// it succeeds: on server01 -user alice pss …. With [!] it must fail. In front of such a
// command stand code, waitfor, var, bg and terminal too: code 3 on server01 pss …
func cmdOn(ts *testscript.TestScript, neg bool, args []string) {
	if code := execute(ts, append([]string{"on"}, args...)); (code == 0) == neg {
		ts.Fatalf("on %s: exit code %d", strings.Join(args, " "), code)
	}
}

// onComputer is the process that the words behind on mean:
// NAME [-user USER] [-stdin FILE] [-env NAME=VALUE]… command…
func onComputer(ctx context.Context, ts *testscript.TestScript, args []string) *Process {
	usage := func() { ts.Fatalf("usage: on NAME [-user USER] [-stdin FILE] [-env NAME=VALUE]… command…") }
	if len(args) < 2 {
		usage()
	}
	c, user, in := computerOf(ts, args[0]), "root", ""
	var env []string
	for args = args[1:]; len(args) > 2 && strings.HasPrefix(args[0], "-"); args = args[2:] {
		switch args[0] {
		case "-user":
			user = args[1]
		case "-stdin":
			in = args[1]
		case "-env":
			env = append(env, args[1])
		default:
			usage()
		}
	}
	p, err := c.Command(ctx, user, args...)
	ts.Check(err)
	p.Env = append(p.Env, env...)
	p.WaitDelay = 5 * time.Second
	if in != "" {
		f, err := Text(ts.ReadFile(in))
		ts.Check(err)
		w := sceneOf(ts)
		w.holds = append(w.holds, func() { f.Close() })
		p.Stdin = f
	}
	return p
}

// cmdCut pulls the cables of computers: cut client01
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: cut NAME…")
	}
	for _, name := range args {
		ts.Check(computerOf(ts, name).Cut())
	}
}

// cmdRestore plugs them in again: restore client01
func cmdRestore(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: restore NAME…")
	}
	for _, name := range args {
		ts.Check(computerOf(ts, name).Restore())
	}
}
