// Command pss gives every computer PowerShell's disconnected sessions. One
// binary holds the cmdlets (verbs), the client agent, the host daemon and the
// session host; which of them a process is stands in its first argument.
package main

import (
	"context"
	"os"
)

func main() { os.Exit(run(context.Background(), os.Args)) }
