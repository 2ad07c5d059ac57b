//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"pss/config"
)

// cmdComputers starts a host for each name, with a PSS_HOME of its own, and writes
// what the name means into config.toml: computers Server01 Server02. $NAME is the
// folder, and the host is the background process NAME.
func cmdComputers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: computers NAME…")
	}
	for _, name := range args {
		cmdHome(ts, false, []string{name})
		cmdBg(ts, false, []string{name, "-null", "env", "PSS_HOME=" + ts.Getenv(name), "pss", "host"})
	}
	conf, err := os.OpenFile(filepath.Join(ts.Getenv("PSS_HOME"), "config.toml"), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	defer conf.Close()
	sceneOf(ts).computers = append(sceneOf(ts).computers, args...)
	for _, name := range args {
		info := ready(ts, name)
		_, err := fmt.Fprintf(conf, "[computers.%s]\naddress = \"%s:%d\"\nfingerprint = %q\ntoken_file = %q\n",
			name, info.Address, info.Port, info.Fingerprint, filepath.Join(ts.Getenv(name), "host", "token"))
		ts.Check(err)
	}
}

// ready waits for the line with which a host says that it takes requests.
func ready(ts *testscript.TestScript, name string) (info config.HostInfo) {
	for deadline := time.Now().Add(stepTime); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		line, err := os.ReadFile(ts.MkAbs(name + ".out"))
		ts.Check(err)
		if json.Unmarshal(line, &info) == nil && info.Port != 0 {
			return info
		}
	}
	ts.Fatalf("the host %s did not say within %v where it listens", name, stepTime)
	return info
}

// leaveComputers removes what the script's own agent may hold on the computers: when
// they are gone, it would wait for them.
func (w *scene) leaveComputers() {
	if len(w.computers) == 0 {
		return
	}
	pss, err := ScriptedPSS()
	if err != nil {
		return // there was no script then
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, pss, "remove-pssession", "--force", "--computer-name", strings.Join(w.computers, ","))
	cmd.Env = append(os.Environ(), "PSS_HOME="+w.homes[0].dir, "PSS_CLIENT_SESSION=end", "PSS_OUTPUT=", "GORACE="+raceOptions)
	_ = cmd.Run() // what remains is found when the homes end
}
