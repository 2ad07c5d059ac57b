package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"pss/remote/api"
	"pss/remote/identity"
	"pss/remote/platform"
	"pss/remote/sshlink"
	"pss/verbs"
)

// run is a role or a cmdlet, and returns the exit code.
func run(ctx context.Context, args []string) int {
	rt := &verbs.Runtime{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		HostRole: runHost, RotateKey: rotateKey, EnableRemoting: enableRemoting, DisableRemoting: disableRemoting,
	}
	if where := os.Getenv(api.AskpassVariable); where != "" && args[0] == os.Getenv("SSH_ASKPASS") {
		if !askpass(ctx, where, strings.Join(args[1:], " ")) {
			return 1
		}
		return 0
	}
	if len(args) > 1 {
		if strings.EqualFold(args[1], "host") && platform.IsInit() {
			return runInit()
		}
		switch args[1] {
		case "agent":
			return role(ctx, runAgent)
		case verbs.CompleteCommand:
			return verbs.Complete(ctx, rt, args[2:])
		case verbs.ManCommand:
			return writeManual(args[2:])
		case "session-host":
			return role(ctx, runSessionHost)
		case platform.BecomeCommand:
			fmt.Fprintln(os.Stderr, "pss:", platform.Become(args[2:]))
			return 1
		case identity.KeyFileCommand:
			if err := identity.ReadKeyFile(args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, "pss:", err)
				return 1
			}
			return 0
		case "checksum":
			if err := sshlink.WriteChecksum(os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, "pss:", err)
				return 1
			}
			return 0
		}
	}
	return verbs.Run(ctx, rt, args)
}

// writeManual writes the manual pages into a folder, for a build.
func writeManual(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: pss "+verbs.ManCommand+" DIR")
		return 2
	}
	if err := verbs.WriteManPages(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, "pss:", err)
		return 1
	}
	return 0
}
