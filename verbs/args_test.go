package verbs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// testParameters is a command with a bit of everything.
func testParameters() []Parameter {
	return []Parameter{
		{Name: "ComputerName", Aliases: []string{"Cn"}, Kind: KindList},
		{Name: "ScriptBlock", Aliases: []string{"Command"}, Kind: KindValue, Block: true},
		{Name: "InDisconnectedSession", Aliases: []string{"Disconnected"}},
		{Name: "UseSSL"},
		{Name: "IdleTimeoutSec", Kind: KindValue},
		{Name: "IdleTimeout", Kind: KindValue},
		{Name: "Id", Kind: KindList},
		{Name: "Name", Kind: KindValue},
		{Name: "NoStandardInput", Aliases: []string{"n"}, Flag: "no-stdin"},
		{Name: "Depth", Kind: KindValue},
		{Name: "Debug", Common: true},
		{Name: "Verbose", Aliases: []string{"vb"}, Common: true},
	}
}

func TestNormalizeAccepts(t *testing.T) {
	type words = []string
	for _, test := range []struct {
		about string
		argv  words
		want  Normalized
	}{
		{"nothing", nil, Normalized{}},
		{"a name in any case and spelling", words{"-computername", "a", "--COMPUTER-NAME", "b", "-Computer_Name:c", "--ComputerName=d"},
			Normalized{Args: words{"--computer-name=a", "--computer-name=b", "--computer-name=c", "--computer-name=d"}}},
		{"dashes of word processors", words{"–UseSSL", "—Name", "x", "―Cn:y", "––in-disc"},
			Normalized{Args: words{"--use-ssl=true", "--name=x", "--computer-name=y", "--in-disconnected-session=true"}}},
		{"an exact name beats longer ones", words{"-Id", "1", "-IdleTimeout", "2"},
			Normalized{Args: words{"--id=1", "--idle-timeout=2"}}},
		{"an alias", words{"-Cn", "a", "-n", "-vb"},
			Normalized{Args: words{"--computer-name=a", "--no-stdin=true", "--verbose=true"}}},
		{"the flag's own spelling and the name", words{"--no-stdin"}, Normalized{Args: words{"--no-stdin=true"}}},
		{"the name where the flag differs", words{"-NoStand"}, Normalized{Args: words{"--no-stdin=true"}}},
		{"a prefix of a name", words{"-Comp", "a"}, Normalized{Args: words{"--computer-name=a"}}},
		{"a prefix of an alias", words{"-Disc"}, Normalized{Args: words{"--in-disconnected-session=true"}}},
		{"the command's own beats a common one", words{"-De", "3"}, Normalized{Args: words{"--depth=3"}}},
		{"switch values", words{"-UseSSL:$false", "-Disc:TRUE", "--no-stdin=false", "-Verbose:$true"},
			Normalized{Args: words{"--use-ssl=false", "--in-disconnected-session=true", "--no-stdin=false", "--verbose=true"}}},
		{"a switch takes no word", words{"-UseSSL", "false"},
			Normalized{Args: words{"--use-ssl=true"}, Positional: words{"false"}}},
		{"values with separators in them", words{"-Name:a=b", "--depth=c:d"},
			Normalized{Args: words{"--name=a=b", "--depth=c:d"}}},
		{"a colon and a blank", words{"-Name:", "v"}, Normalized{Args: words{"--name=v"}}},
		{"an empty value", words{"--name=", "-Depth", ""}, Normalized{Args: words{"--name=", "--depth="}}},
		{"negative numbers and a dash are values", words{"-Depth", "-3", "-Name", "-", "-", "-4", "--5"},
			Normalized{Args: words{"--depth=-3", "--name=-"}, Positional: words{"-", "-4", "--5"}}},
		{"a value like a parameter behind a separator", words{"-Name:-x", "--depth=--y"},
			Normalized{Args: words{"--name=-x", "--depth=--y"}}},
		{"a list", words{"-Cn", "a,b", "-Id:1,2", "-Id", "3"},
			Normalized{Args: words{"--computer-name=a", "--computer-name=b", "--id=1", "--id=2", "--id=3"}}},
		{"a list over several words", words{"-Cn", "a,", "b", ",", "c", ",d", "e", "--id=1,", "-2", "-UseSSL"},
			Normalized{Args: words{"--computer-name=a", "--computer-name=b", "--computer-name=c", "--computer-name=d",
				"--id=1", "--id=-2", "--use-ssl=true"}, Positional: words{"e"}}},
		{"a quoted list", words{"-Cn", "a, b"}, Normalized{Args: words{"--computer-name=a", "--computer-name=b"}}},
		{"a comma in a value", words{"-Cn", `a\,b,c\`, `-Id`, `x\,`, "y"},
			Normalized{Args: words{"--computer-name=a,b", `--computer-name=c\`, "--id=x,"}, Positional: words{"y"}}},
		{"an empty list value", words{"--computer-name="}, Normalized{Args: words{"--computer-name="}}},
		{"commas are no list elsewhere", words{"-Name", "a,b", "c,", "d"},
			Normalized{Args: words{"--name=a,b"}, Positional: words{"c,", "d"}}},
		{"everything behind --", words{"s1", "-UseSSL", "--", "ls", "-Name", "--", "{", ""},
			Normalized{Args: words{"--use-ssl=true"}, Positional: words{"s1"},
				Passthrough: words{"ls", "-Name", "--", "{", ""}, HasPassthrough: true}},
		{"nothing behind --", words{"--"}, Normalized{HasPassthrough: true, Passthrough: words{}}},
		{"help", words{"-UseSSL", "-?", "-nonsense"}, Normalized{Args: words{"--use-ssl=true"}, HelpWanted: true}},
		{"help, short", words{"-h"}, Normalized{HelpWanted: true}},
		{"help, long", words{"--Help"}, Normalized{HelpWanted: true}},
		{"help in place of a value", words{"-Name", "--help"}, Normalized{HelpWanted: true}},
		{"help in place of a list", words{"-Cn", "-?"}, Normalized{HelpWanted: true}},
	} {
		t.Run(test.about, func(t *testing.T) {
			got, err := Normalize("invoke-command", testParameters(), test.argv)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestNormalizeReadsBlocks(t *testing.T) {
	script := func(text string) Normalized { return Normalized{Args: []string{"--script-block=" + text}, Brace: true} }
	literal := func(text string) Normalized { return Normalized{Args: []string{"--script-block=" + text}} }
	for _, test := range []struct {
		argv []string
		want Normalized
	}{
		{[]string{"-ScriptBlock", "{", "uname", "-a", "}"}, script("uname -a")},
		{[]string{"-ScriptBlock:", "{", "uname", "-a", "}"}, script("uname -a")},
		{[]string{"-ScriptBlock:{", "uname", "-a", "}"}, script("uname -a")},
		{[]string{"--script-block={", "ls", "}"}, script("ls")},
		{[]string{"-Command", "{uname", "-a}"}, script("uname -a")},
		{[]string{"{", "ls", "--", "-Name", "-?", "}"}, script("ls -- -Name -?")},
		{[]string{"{", "f()", "{", "ls", "}", "}"}, script("f() { ls }")},
		{[]string{"{", "awk", "{print $1}", "}"}, script("awk {print $1}")},
		{[]string{"{", "}"}, script("")},
		{[]string{"{}"}, script("")},
		{[]string{"-Script", "{ uname -a; }"}, script("uname -a;")},
		{[]string{"-Script:{ uname -a; }"}, script("uname -a;")},
		{[]string{"-Script", "ls"}, literal("ls")},
		{[]string{"-Script:ls"}, literal("ls")},
		{[]string{"-Script", "{ a; } && { b; }"}, literal("{ a; } && { b; }")},
		{[]string{"-Script:{ a; } && { b; }"}, literal("{ a; } && { b; }")},
		{[]string{"-Script", `{ echo "{"; }`}, literal(`{ echo "{"; }`)},
		{[]string{"-Script={ ls; }"}, literal("{ ls; }")},
		{[]string{"-Script", "{a,b}.txt"}, literal("{a,b}.txt")},
		{[]string{"{a}b"}, Normalized{Positional: []string{"{a}b"}}},
		{[]string{"-Name", "{", "}"}, Normalized{Args: []string{"--name={"}, Positional: []string{"}"}}},
		{[]string{"s1", "{", "ls", "}", "-UseSSL"}, Normalized{
			Args: []string{"--script-block=ls", "--use-ssl=true"}, Positional: []string{"s1"}, Brace: true}},
	} {
		got, err := Normalize("invoke-command", testParameters(), test.argv)
		require.NoError(t, err, "%q", test.argv)
		assert.Equal(t, test.want, got, "%q", test.argv)
	}
	got, err := Normalize("x", []Parameter{{Name: "Name", Kind: KindValue}}, []string{"{", "a"})
	require.NoError(t, err)
	assert.Equal(t, Normalized{Positional: []string{"{", "a"}}, got, "no block without a parameter for one")
}

func TestNormalizeRefuses(t *testing.T) {
	for _, test := range []struct {
		argv     string // words separated by blanks
		id       string
		contains string
		hint     string
	}{
		{"-Computername2 x", "NamedParameterNotFound", "no parameter -Computername2", "did you mean -ComputerName?"},
		{"--computer-nmae x", "NamedParameterNotFound", "--computer-nmae", "did you mean --computer-name? pss help invoke-command"},
		{"-Bogus", "NamedParameterNotFound", "-Bogus", "pss help invoke-command"},
		{"-Com x", "AmbiguousParameter", "it can mean -ComputerName, -ScriptBlock", "write more"},
		{"--idle-t x", "AmbiguousParameter", "--idle-timeout-sec, --idle-timeout", "write more"},
		{"-UseSSL:", "CannotConvertArgument", "the local shell has replaced", "'-UseSSL:$false', or write -UseSSL:false"},
		{"--use-ssl=", "CannotConvertArgument", "the local shell has replaced", "write --use-ssl=false"},
		{"-UseSSL:1", "CannotConvertArgument", `cannot be "1"`, "-UseSSL:true or -UseSSL:false"},
		{"-Name", "MissingArgument", "-Name has no value", "pss help"},
		{"-Name -UseSSL", "MissingArgument", "-UseSSL is read as the next parameter", "-Name=-UseSSL"},
		{"-Name: -UseSSL", "MissingArgument", "-Name has no value", "-Name=-UseSSL"},
		{"-Name -- x", "MissingArgument", "-Name has no value", "pss help"},
		{"-Cn", "MissingArgument", "-Cn has no value", "pss help"},
		{"-Cn a, -UseSSL", "MissingArgument", "empty element", `\,`},
		{"-Cn a,", "MissingArgument", "empty element", "comma"},
		{"-Cn a,,b", "MissingArgument", "empty element", "comma"},
		{"-Cn ,a", "MissingArgument", "empty element", "comma"},
		{"-Name a --name b", "ParameterAlreadyBound", "--name is given more than once", "once"},
		{"-UseSSL -UseSSL", "ParameterAlreadyBound", "-UseSSL", "once"},
		{"-Script ls { ls }", "ParameterAlreadyBound", "-ScriptBlock", "once"},
		{"-Script { uname -a", "MissingEndCurlyBrace", "the local shell has taken ;, |, &", "quote the block"},
		{"{ uname", "MissingEndCurlyBrace", "of -ScriptBlock has no closing }", "quote the block"},
		{"{ uname }x", "MissingEndCurlyBrace", `ends inside the word "}x"`, "quote the block"},
	} {
		_, err := Normalize("invoke-command", testParameters(), strings.Fields(test.argv))
		var e *api.Error
		require.ErrorAs(t, err, &e, test.argv)
		assert.Equal(t, test.id, e.FullyQualifiedErrorID, test.argv)
		assert.Equal(t, api.CodeUsage, e.Code)
		assert.Contains(t, e.Message, test.contains, test.argv)
		assert.Contains(t, e.RecommendedAction, test.hint, test.argv)
	}
}

func TestNormalizeOwnHelpParameter(t *testing.T) {
	got, err := Normalize("x", []Parameter{{Name: "HostName", Aliases: []string{"h"}, Kind: KindValue}}, []string{"-h", "a"})
	require.NoError(t, err)
	assert.Equal(t, Normalized{Args: []string{"--host-name=a"}}, got)
}

func TestKebabOf(t *testing.T) {
	for pascal, want := range map[string]string{
		"ComputerName": "computer-name", "UseSSL": "use-ssl", "IdleTimeoutSec": "idle-timeout-sec",
		"InDisconnectedSession": "in-disconnected-session", "TTY": "tty", "SSHTransport": "ssh-transport",
		"SkipCACheck": "skip-ca-check", "UseUTF16": "use-utf16", "UTF16Only": "utf16-only", "UICulture": "ui-culture",
		"MaxMemoryPerSessionMB": "max-memory-per-session-mb", "Id": "id", "": "",
	} {
		assert.Equal(t, want, KebabOf(pascal))
		assert.Equal(t, foldName(pascal), foldName(want))
	}
}

func TestFindCommand(t *testing.T) {
	commands := []CommandName{
		{"New-PSSession", []string{"nsn"}}, {"Get-PSSession", []string{"gsn", "ls"}},
		{"Remove-PSSession", []string{"rsn", "rm"}}, {"Invoke-Command", []string{"icm", "run"}},
	}
	for word, want := range map[string]string{
		"new-pssession": "New-PSSession", "NEW-PSSESSION": "New-PSSession", "ICM": "Invoke-Command", "ls": "Get-PSSession",
	} {
		name, found, _ := FindCommand(commands, word)
		assert.True(t, found)
		assert.Equal(t, want, name)
	}
	for word, want := range map[string][]string{
		"get-psession": {"Get-PSSession", "New-PSSession"}, "invoke-comand": {"Invoke-Command"},
		"gns": {"Get-PSSession"}, "lsx": {"Get-PSSession"}, "foo": nil, "q": nil, "": nil, strings.Repeat("x", 10_000): nil,
	} {
		_, found, suggestions := FindCommand(commands, word)
		assert.False(t, found)
		assert.Equal(t, want, suggestions, "%.20s", word)
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"", "ab", 2}, {"abc", "acb", 1}, {"abc", "adc", 1}, {"kitten", "sitting", 3}, {"本番", "本", 1}} {
		assert.Equal(t, test.want, editDistance(test.a, test.b), test)
		assert.Equal(t, test.want, editDistance(test.b, test.a), test)
	}
}

// FuzzNormalize splits the input into words at NUL, which no word can have.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"-Cn\x00a, b\x00-UseSSL:$false\x00x", "-Script\x00{\x00ls\x00}\x00--\x00-x", "{a}b\x00,c\x00-Id:1\\,2,3\x00,4",
		"–Name\x00-", "-Script:{ a }\x00-?", "--script-block={\x00{\x00}\x00}", "-\x00--\x00\xff-é",
	} {
		f.Add(s)
	}
	params := testParameters()
	f.Fuzz(func(t *testing.T, s string) {
		argv := strings.Split(s, "\x00")
		before := strings.Join(argv, "\x00")
		got, err := Normalize("x", params, argv)
		assert.Equal(t, before, strings.Join(argv, "\x00"), "argv is the caller's")
		if err != nil {
			var e *api.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.RecommendedAction)
			return
		}
		again, err := Normalize("x", params, got.Argv(params))
		require.NoError(t, err, "%q -> %q", argv, got.Argv(params))
		got.Brace = again.Brace
		if got.HelpWanted {
			got.HasPassthrough, got.Passthrough = false, nil
		}
		require.Equal(t, got, again)
		c := command{name: "x", positional: [][]string{{"ComputerName"}, {"Name"}}}
		for _, p := range params {
			c.params = append(c.params, param{Parameter: p})
		}
		_, _, _ = c.resolve(got)
	})
}

// FuzzSpellings binds the same values in PowerShell's syntax and as flags.
func FuzzSpellings(f *testing.F) {
	f.Add([]byte("\x00a\x01b\x02\x03"), "v,w", uint8(3))
	f.Add([]byte{7, 7, 9, 6, 6, 2}, "-3", uint8(11))
	f.Fuzz(func(t *testing.T, picks []byte, value string, style uint8) {
		params := testParameters()
		if strings.HasPrefix(value, "{") || looksLikeParameter(value) || strings.ContainsAny(value, ",\x00") || value == "" || value == "--" {
			return
		}
		var powershell, flags []string
		for _, pick := range picks {
			p := &params[int(pick)%len(params)]
			style = style*5 + 1
			name := p.Name
			if len(p.Aliases) > 0 && style&1 == 0 {
				name = p.Aliases[0]
			}
			if style&2 == 0 {
				name = strings.ToUpper(name)
			}
			switch {
			case p.Kind == KindSwitch && style&4 == 0:
				powershell = append(powershell, "-"+name)
				flags = append(flags, "--"+p.FlagName()+"=true")
			case p.Kind == KindSwitch:
				powershell = append(powershell, "-"+name+":$false")
				flags = append(flags, "--"+p.FlagName()+"=false")
			case p.Kind == KindList && style&4 == 0 && !strings.HasSuffix(value, `\`): // \, is no separator
				powershell = append(powershell, "-"+name, value+",", "2")
				flags = append(flags, "--"+p.FlagName()+"="+value, "--"+p.FlagName()+"=2")
			case style&8 == 0:
				powershell = append(powershell, fmt.Sprintf("–%s:%s", name, value))
				flags = append(flags, "--"+p.FlagName()+"="+value)
			default:
				powershell = append(powershell, "-"+name, value)
				flags = append(flags, "--"+p.FlagName(), value)
			}
		}
		a, errA := Normalize("x", params, powershell)
		b, errB := Normalize("x", params, flags)
		require.Equal(t, errA == nil, errB == nil, "%q: %v, %q: %v", powershell, errA, flags, errB)
		if errA == nil {
			require.Equal(t, b, a)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	params := testParameters()
	argv := []string{"-ComputerName", "Server01,Server02", "-UseSSL", "-IdleTimeoutSec", "3600", "-ScriptBlock", "ls"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Normalize("x", params, argv); err != nil {
			b.Fatal(err)
		}
	}
}
