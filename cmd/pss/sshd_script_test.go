//go:build linux

package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// farEnv are the variables of a script that far computers get, too.
var farEnv = []string{"TMPDIR", "WORK", "LC_ALL", "TZ", "GORACE", "PSS_TEST_FAULT"}

// cmdSSHD starts an OpenSSH server that ssh knows by its name, with a PSS_HOME of
// its own that is checked at the end like every other: sshd server01 -noisy
//
//	-jump OTHER      it is reached through OTHER
//	-no-pss          there is no pss in its PATH
//	-passphrase      the client's key has the passphrase "open sesame"
//	-password WORD   it takes this password and no key; needs [mount]
//	-unknown         its host key is not known, so ssh asks
//	-banner          it greets before the login
//	-noisy           its shells' start files write to both streams
//
// $NAME is its PSS_HOME, $NAME_HOME its HOME, $NAME_PORT its port and $NAME_USER the
// account.
func cmdSSHD(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || strings.HasPrefix(args[0], "-") {
		ts.Fatalf("usage: sshd NAME [-jump OTHER] [-no-pss] [-passphrase] [-password WORD] [-unknown] [-banner] [-noisy]")
	}
	pss, err := ScriptedPSS()
	ts.Check(err)
	o := SSHOptions{Name: args[0], Pss: pss}
	for i := 1; i < len(args); i++ {
		value := map[string]*string{"-jump": &o.Jump, "-password": &o.Password}[args[i]]
		flag := map[string]*bool{
			"-passphrase": &o.Passphrase, "-unknown": &o.Unknown, "-banner": &o.Banner, "-noisy": &o.Noisy,
		}[args[i]]
		switch {
		case value != nil && i+1 < len(args):
			i++
			*value = args[i]
		case flag != nil:
			*flag = true
		case args[i] == "-no-pss":
			o.Pss = ""
		default:
			ts.Fatalf("sshd: unknown option %q, or its value is missing", args[i])
		}
	}
	for _, name := range farEnv {
		if v := ts.Getenv(name); v != "" {
			o.Env = append(o.Env, name+"="+v)
		}
	}
	cmdHome(ts, false, []string{o.Name})
	o.Home = ts.Getenv(o.Name)
	servers := sshOf(ts, true)
	v, err := servers.Start(o)
	ts.Check(err)
	ts.Setenv(o.Name+"_HOME", v.HomeDir())
	ts.Setenv(o.Name+"_PORT", strconv.Itoa(v.Port()))
	ts.Setenv(o.Name+"_USER", servers.User())
}

// sshOf returns the script's servers. The first of them puts ssh in front of PATH.
func sshOf(ts *testscript.TestScript, start bool) *SSHServers {
	w := sceneOf(ts)
	if w.ssh == nil && start {
		var err error
		w.ssh, err = NewSSHServers()
		ts.Check(err)
		ts.Setenv("PATH", w.ssh.Path()+string(filepath.ListSeparator)+ts.Getenv("PATH"))
	}
	if w.ssh == nil {
		ts.Fatalf("no ssh server was started")
	}
	return w.ssh
}

func sshServerOf(ts *testscript.TestScript, name string) *SSHServer {
	v := sshOf(ts, false).servers[name]
	if v == nil {
		ts.Fatalf("no ssh server %q was started", name)
	}
	return v
}

// cmdSSHNet changes the network before a server: sshnet server01 stall
//
//	cut       resets its connections and refuses new ones, until restore
//	stall     takes connections and passes nothing, until flow
func cmdSSHNet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sshnet NAME cut|restore|stall|flow")
	}
	n := sshServerOf(ts, args[0]).Net
	switch args[1] {
	case "cut":
		n.Cut()
	case "restore":
		ts.Check(n.Restore())
	case "stall":
		n.Stall()
	case "flow":
		n.Flow()
	default:
		ts.Fatalf("sshnet: unknown word %q", args[1])
	}
}

// cmdSSHProc acts on the ssh clients that lead to a server, or on its processes that
// serve connections: sshproc server01 kill client. Some must be there; none waits
// until none is.
func cmdSSHProc(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || args[2] != "client" && args[2] != "server" {
		ts.Fatalf("usage: sshproc NAME kill|stop|cont|none client|server")
	}
	v := sshServerOf(ts, args[0])
	find := func() []int {
		if args[2] == "client" {
			return sshOf(ts, false).Clients(args[0])
		}
		return v.Connections(false)
	}
	sig, known := map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP, "cont": syscall.SIGCONT}[args[1]]
	if known {
		pids := find()
		if len(pids) == 0 {
			ts.Fatalf("%s has no %s process", args[0], args[2])
		}
		ts.Check(SignalAll(pids, sig))
		return
	}
	if args[1] != "none" {
		ts.Fatalf("sshproc: unknown word %q", args[1])
	}
	for deadline := time.Now().Add(10 * time.Second); len(find()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s still has the %s processes %v", args[0], args[2], find())
		}
	}
}
