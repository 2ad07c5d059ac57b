package main

import (
	"context"
	"os"

	"pss/verbs"
)

// run is a role or a cmdlet, and returns the exit code.
func run(ctx context.Context, args []string) int {
	rt := &verbs.Runtime{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, HostRole: runHost}
	if len(args) > 1 {
		switch args[1] {
		case "agent":
			return role(ctx, runAgent)
		case "session-host":
			return role(ctx, runSessionHost)
		}
	}
	return verbs.Run(ctx, rt, args)
}
