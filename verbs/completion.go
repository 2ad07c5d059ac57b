package verbs

import (
	"context"
	"embed"
	"io"
	"maps"
	"slices"
	"strings"
)

func init() { register("Completion", nil, newCompletion) }

// completionFiles are the scripts, one for each shell. What may be completed they ask
// the binary, so that they never grow old.
//
//go:embed completion/pss.*
var completionFiles embed.FS

// completionScripts are the files by shell.
var completionScripts = map[string]string{"bash": "pss.bash", "zsh": "pss.zsh", "fish": "pss.fish", "powershell": "pss.ps1"}

func newCompletion() *command {
	return &command{
		name: "Completion", synopsis: "Prints the script that makes a shell complete pss.",
		notes: "Tab then completes commands and parameters in the spelling that you have begun, fixed values, topics, and the sessions, computers and configurations that are known. " +
			"It asks an agent that runs and starts none, and waits no longer than 120 ms: what is not there by then is left out. " +
			"The cmdlets that pss install-links makes are completed too.",
		sets:       []paramSet{{mandatory: []string{"Shell"}}},
		params:     []param{value("Shell", "the shell that is to read it").takes(oneOfThese(slices.Sorted(maps.Keys(completionScripts))...))},
		positional: [][]string{{"Shell"}},
		examples: []example{
			{command: "source <(pss completion bash)", says: "in ~/.bashrc; in ~/.zshrc, behind compinit, with zsh"},
			{command: "pss completion fish | source", says: "in ~/.config/fish/config.fish"},
			{command: "pss completion powershell | Out-String | Invoke-Expression", says: "in $PROFILE"},
		},
		run: runCompletion,
	}
}

func runCompletion(_ context.Context, rt *Runtime, in *input) error {
	shell := in.String("shell")
	text, err := completionFiles.ReadFile("completion/" + completionScripts[shell])
	if err != nil {
		return err
	}
	names := LinkNames(true)
	sep := " "
	if shell == "powershell" {
		sep = ", "
		for i := range names {
			names[i] = "'" + names[i] + "'"
		}
	}
	_, err = io.WriteString(rt.Stdout, strings.ReplaceAll(string(text), "@LINKS@", strings.Join(names, sep)))
	return err
}
