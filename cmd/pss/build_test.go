//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// The binaries under test, each built on first need. PSS_TEST_TAGS adds build tags:
// scripts/planted runs the tests on binaries with faults built in.
var (
	// ScriptedPSS has what the tests alone have: an engine, and a file for what session
	// hosts say when they crash. It has the race detector if the tests have it.
	ScriptedPSS = built("scripted", raceIf(raceDetector), "pss_scripted")
	// ThisPSS is what users get.
	ThisPSS = built("this", nil)
	// NextPSS is a later version of it.
	NextPSS = built("next", nil, "pss_next")
	// PlantedPSS stops where a test wants it to, with the race detector in long runs.
	PlantedPSS = built("planted", raceIf(os.Getenv("PSS_TEST_LONG") != ""), "pss_planted")
)

var raceDetector = func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

func raceIf(wanted bool) []string {
	if wanted {
		return []string{"-race"}
	}
	return nil
}

// buildFolder is where the binaries under test lie. A shell that waits for our end deletes
// it, however that comes. PSS_TEST_BUILDS is a folder of somebody else's, for several runs.
var buildFolder = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("PSS_TEST_BUILDS"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "pss-build-")
	if err != nil {
		return "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("/bin/sh", "-c", `read x; rm -rf "$1"`, "sh", dir)
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	r.Close()
	keepOpen = w
	return dir, err
})

var keepOpen *os.File

// built returns a function that returns a pss of that kind: a file named pss, alone in its
// folder.
func built(kind string, flags []string, tags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := buildFolder()
		if err != nil {
			return "", err
		}
		if extra := os.Getenv("PSS_TEST_TAGS"); extra != "" {
			tags = append(tags, extra)
		}
		bin := filepath.Join(dir, kind, "pss")
		if _, err := os.Stat(bin); err == nil {
			return bin, nil
		}
		making := filepath.Join(dir, kind, fmt.Sprintf("making-%d", os.Getpid()))
		args := append([]string{"build", "-o", making, "-tags", strings.Join(tags, ",")}, flags...)
		if out, err := exec.Command("go", append(args, "pss/cmd/pss")...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return bin, os.Rename(making, bin)
	})
}
