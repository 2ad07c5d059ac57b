package verbs

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pss/config"
)

// completed returns what the last of words may become, without the descriptions.
func completed(t testing.TB, words ...string) []string {
	t.Helper()
	var out bytes.Buffer
	dir := t.TempDir() // where no agent runs
	rt := &Runtime{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }, found: &config.Paths{Config: dir, State: dir}}
	assert.Equal(t, 0, Complete(context.Background(), rt, append([]string{"--"}, words...)))
	var texts []string
	for line := range strings.Lines(out.String()) {
		text, says, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		assert.True(t, ok, "%q", line)
		if strings.HasPrefix(text, ":") {
			text += "\t" + says
		}
		texts = append(texts, text)
	}
	return texts
}

func TestCompletion(t *testing.T) {
	type words = []string
	for _, test := range []struct {
		line words
		want words // all of them
		some words // among others
		none words
	}{
		{line: words{"pss", ""}, some: words{"new-pssession", "version", "help"}, none: words{"nsn", "New-PSSession"}},
		{line: words{"/opt/bin/pss", "Disc"}, want: words{"Disconnect-PSSession"}},
		{line: words{"pss", "disc"}, want: words{"disconnect-pssession"}},
		{line: words{"pss", "dns"}, want: words{"dnsn"}},
		{line: words{"pss", "Get-H"}, want: words{"Get-Help"}},
		{line: words{"pss", "nothing", ""}},
		{line: words{"pss", "help", "about_exit"}, want: words{"about_Exit_Codes"}},
		{line: words{"pss", "help", "stop-p"}, want: words{"stop-pssession"}},
		{line: words{"pss", "help", "version", ""}},
		{line: words{"pss", "gsn", "--comp"}, want: words{"--computer-name"}},
		{line: words{"pss", "gsn", "-comp"}, want: words{"-ComputerName"}},
		{line: words{"pss", "gsn", "-"}, some: words{"--computer-name", "--help"}},
		{line: words{"pss", "Get-PSSession", "-"}, some: words{"-ComputerName"}, none: words{"--help"}},
		{line: words{"Get-PSSession", "-"}, some: words{"-ComputerName"}},
		{line: words{"gsn", "--s"}, some: words{"--state", "--session"}},
		// What cannot stand with the rest, does nothing, or is there already is left out.
		{line: words{"pss", "gsn", "--id", "1", "--"}, some: words{"--id", "--output"}, none: words{"--computer-name", "--name"}},
		{line: words{"pss", "gsn", "--computer-name", "a", "--state", "Opened", "--"}, some: words{"--name", "--credential"}, none: words{"--state", "--id", "--use-ssl", "--subsystem"}},
		// Values, joined and not.
		{line: words{"pss", "gsn", "--state", "o"}, want: words{"Opened"}},
		{line: words{"pss", "gsn", "--state=o"}, want: words{"--state=Opened"}},
		{line: words{"pss", "gsn", "-State:B"}, want: words{"-State:Broken"}},
		{line: words{"pss", "gsn", "-State:", "B"}, want: words{"Broken"}},
		{line: words{"pss", "gsn", "-St", "D"}, want: words{"Disconnected"}},
		{line: words{"pss", "gsn", "--output", "n"}, want: words{"ndjson", "name"}},
		{line: words{"pss", "rsn", "--force="}, want: words{"--force=true", "--force=false"}},
		{line: words{"pss", "gsn", "--computer-name", "l"}, want: words{"localhost"}},
		{line: words{"pss", "gsn", "--computer-name", "a,l"}, want: words{"a,localhost"}},
		{line: words{"pss", "gsn", "--computer-name", "a,", "l"}, want: words{"localhost"}},
		{line: words{"pss", "gsn", "--computer-name", "localhost,l"}},
		{line: words{"pss", "gsn", "--computer-name=a,l"}, want: words{"--computer-name=a,localhost"}},
		{line: words{"pss", "gsn", "--computer-name", "@file:/et"}, want: words{":files\t@file:\t/et"}},
		{line: words{"pss", "gsn", "l"}, want: words{"localhost"}},
		{line: words{"pss", "icm", "a", "--configuration-name", "Micro"}, want: words{"Microsoft.PowerShell"}},
		{line: words{"pss", "icm", "--file-path", "x"}, want: words{":files\t\tx"}},
		{line: words{"pss", "icm", "--file-path=x"}, want: words{":files\t--file-path=\tx"}},
		{line: words{"pss", "install-links", "x"}, want: words{":directories\t\tx"}},
		{line: words{"pss", "new-pssession", "--name", ""}},
		{line: words{"pss", "completion", "z"}, want: words{"zsh"}},
		// What belongs to a command that is not ours.
		{line: words{"pss", "gsn", "--authentication", "P"}, want: words{"PublicKey"}},
		{line: words{"pss", "icm", "a", "--", "ls", "x"}, want: words{":files\t\tx"}},
		{line: words{"pss", "icm", "a", "{", "ls", "x"}, want: words{":files\t\tx"}},
		{line: words{"pss", "icm", "-ScriptBlock", "{", "ls", "}", "-Comp"}, want: words{"-ComputerName"}},
		{line: words{"pss"}},
		{line: nil},
	} {
		got := completed(t, test.line...)
		line := strings.Join(test.line, " ")
		if test.some == nil && test.none == nil {
			assert.Equal(t, test.want, got, line)
		}
		for _, some := range test.some {
			assert.Contains(t, got, some, line)
		}
		for _, none := range test.none {
			assert.NotContains(t, got, none, line)
		}
	}
}

// FuzzCompletion completes anything, without ever failing.
func FuzzCompletion(f *testing.F) {
	f.Add("pss gsn --name a, b")
	f.Add("pss icm -ScriptBlock:{ a { b } -")
	f.Add("Receive-PSSession -- x")
	f.Fuzz(func(t *testing.T, line string) {
		for _, text := range completed(t, strings.Split(line, " ")...) {
			assert.NotContains(t, text, "\n")
		}
	})
}
