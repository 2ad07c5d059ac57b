package verbs

import (
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// read reads a command line as Run does, up to its carrying out.
func read(t *testing.T, line ...string) (Normalized, string, error) {
	t.Helper()
	name, ok, _ := FindCommand(commandNames, line[0])
	require.True(t, ok, line[0])
	c := constructors[strings.ToLower(name)]().complete()
	params := make([]Parameter, len(c.params))
	for i := range c.params {
		params[i] = c.params[i].Parameter
	}
	n, err := Normalize(c.name, params, line[1:])
	if err != nil {
		return n, "", err
	}
	return c.resolve(n)
}

const someGUID = "0e2c2f7c-32d3-4a5e-9d2b-2f1d0a3d7f10"

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		line string // words separated by blanks
		set  string
		args string
	}{
		{"gsn", "Name", ""},
		{"gsn 3", "Id", "--id=3"},
		{"gsn 3, 4", "Id", "--id=3 --id=4"},
		{"gsn server01,server02", "ComputerName", "--computer-name=server01 --computer-name=server02"},
		{"gsn https://server01", "ConnectionUri", "--connection-uri=https://server01:443"},
		{"gsn " + strings.ToUpper(someGUID), "Session", "--session=" + strings.ToUpper(someGUID)},
		{"gsn -Name b*", "Name", "--name=b*"},
		{"gsn s1 -Name b*", "ComputerName", "--name=b* --computer-name=s1"},
		{"gsn s1 -InstanceId " + strings.ToUpper(someGUID), "ComputerInstanceId", "--instance-id=" + someGUID + " --computer-name=s1"},
		{"gsn . -State dis", "ComputerName", "--state=Disconnected --computer-name=localhost"},
		{"dnsn", "Session", ""},
		{"dnsn 1 -Out D", "Id", "--output-buffering-mode=Drop --id=1"},
		{"dnsn 1 -Idle 48h -OutputB d", "Id", "--idle-timeout-sec=48h --output-buffering-mode=Drop --id=1"},
		{"nsn", "ComputerName", ""},
		{"nsn s1", "ComputerName", "--computer-name=s1"},
		{"nsn 3", "Session", "--session=3"},
		{"icm s1 -- ls -l", "ComputerName", "--computer-name=s1"},
		{"icm s1 ls", "ComputerName", "--computer-name=s1 --script-block=ls"},
		{"icm -Cn s1 ls", "ComputerName", "--computer-name=s1 --script-block=ls"},
		{"icm 3 ls", "Session", "--session=3 --script-block=ls"},
		{"icm -Session 3 { ls -l }", "Session", "--session=3 --script-block=ls -l"},
		{"icm https://s1:5986 { ls }", "ConnectionUri", "--script-block=ls --connection-uri=https://s1:5986"},
		{"icm s1 { ls } -Disc -SessionName n", "ComputerName", "--script-block=ls --in-disconnected-session=true --session-name=n --computer-name=s1"},
		{"rsn 3", "Id", "--id=3"},
		{"rcsn s1 -Name n", "ComputerName", "--name=n --computer-name=s1"},
		{"cnsn -Session [{\"Id\":1,\"Name\":\"a\"}]", "Session", "--session=[{\"Id\":1,\"Name\":\"a\"}]"},

		{"gsn -Id 1 -Name x", "", "AmbiguousParameterSet --name cannot stand with --id"},
		{"gsn 3 -Cn s1", "", "PositionalParameterNotFound"},
		{"gsn -Cn s1 -Session 3", "", "AmbiguousParameterSet --computer-name cannot stand with --session"},
		{"gsn -Id x", "", "CannotConvertArgument --id"},
		{"gsn -InstanceId x", "", "CannotConvertArgument --instance-id"},
		{"gsn -State half", "", "CannotConvertArgument --state"},
		{"gsn -Cn ''", "", "PSSessionInvalidComputerName"},
		{"gsn a b", "", "PositionalParameterNotFound"},
		{"gsn http://s1", "", "CannotConvertArgument"},
		{"dnsn name", "", "CannotConvertArgument --session"},
		{"dnsn 1 -IdleTimeoutSec -5", "", "CannotConvertArgument --idle-timeout-sec"},
		{"nsn -Cn s1:5986", "", "PSSessionInvalidComputerName"},
		{"nsn -Cn s1 -Port 70000", "", "ParameterArgumentValidationError --port"},
		{"nsn -ConnectionUri https://s1 -Port 1", "", "AmbiguousParameterSet --connection-uri cannot stand with --port"},
		{"nsn s1 -Credential me", "ComputerName", "--credential=me --computer-name=s1"},
		{"nsn s1 -Cred me -Auth pub", "ComputerName", "--credential=me --authentication=PublicKey --computer-name=s1"},
		{"nsn -HostName s1 -Credential me", "", "AmbiguousParameterSet --host-name cannot stand with --credential"},
		{"nsn s1 -Credential me:secret", "", "CannotConvertArgument --credential"},
		{"nsn s1 -Credential a\x00b", "", "CannotConvertArgument --credential"},
		{"nsn s1 -Authentication Kerberos", "", "ParameterArgumentNotSupported --authentication"},
		{"nsn s1 -Authentication credssp", "", "ParameterArgumentNotSupported --authentication"},
		{"nsn s1 -Authentication Digest", "", "ParameterArgumentNotSupported --authentication"},
		{"nsn s1 -Authentication NegotiateWithImplicitCredential", "", "ParameterArgumentNotSupported --authentication"},
		{"nsn s1 -CertificateThumbprint xyz", "", "CannotConvertArgument --certificate-thumbprint"},
		{"nsn -HostName ops@s1:22 -KeyFilePath k", "SSHHost", "--host-name=ops@s1:22 --key-file-path=k"},
		{"icm -HostName s1,s2 { ls }", "SSHHost", "--host-name=s1 --host-name=s2 --script-block=ls"},
		{"nsn -HostName:-oProxyCommand=x", "", "CannotConvertArgument --host-name"},
		{"gsn -HostName s1 -ComputerName s2", "", "AmbiguousParameterSet --host-name cannot stand with --computer-name"},
		{"gsn -HostName s1 -Subsystem x", "", "ParameterNotSupported"},
		{"icm -Session 3 { ls } -InDisconnectedSession", "", "AmbiguousParameterSet --in-disconnected-session cannot stand with --session"},
		{"icm s1", "", "MissingMandatoryParameter"},
		{"icm s1 { ls } -FilePath x", "", "AmbiguousParameterSet --script-block and --file-path cannot stand together"},
		{"icm -Com x s1", "", "AmbiguousParameter"},
		{"icm s1 ls x", "", "PositionalParameterNotFound"},
	} {
		n, set, err := read(t, strings.Split(test.line, " ")...)
		if test.set == "" {
			require.Error(t, err, test.line)
			e := api.AsError(err)
			assert.Contains(t, e.FullyQualifiedErrorID+" "+e.Message, test.args, test.line)
			assert.NotEmpty(t, e.RecommendedAction+e.Message, test.line)
			continue
		}
		require.NoError(t, err, test.line)
		assert.Equal(t, test.set, set, test.line)
		assert.Equal(t, test.args, strings.Join(n.Args, " "), test.line)
	}
}

// TestDeclarations finds what a declaration may not have: sets that are not there,
// positions and mandatory parameters without a parameter, two parameters of a name.
func TestDeclarations(t *testing.T) {
	for _, c := range sortedCommands() {
		c.complete()
		names, sets := map[string]bool{}, map[string]bool{"": c.sets == nil}
		for _, s := range c.sets {
			assert.False(t, sets[s.name], "%s: %s twice", c.name, s.name)
			sets[s.name] = true
			for _, m := range s.mandatory {
				assert.True(t, c.param(m).inSet(s.name), "%s: %s is no parameter of %s", c.name, m, s.name)
			}
		}
		for i := range c.params {
			p := &c.params[i]
			for _, spelling := range p.spellings() {
				assert.False(t, names[spelling], "%s: %s twice", c.name, spelling)
				names[spelling] = true
			}
			for _, s := range p.sets {
				assert.True(t, sets[s], "%s: %s is in no set %s", c.name, p.Name, s)
			}
			assert.NotEmpty(t, p.help+p.refusal+p.unused, "%s: -%s says nothing", c.name, p.Name)
		}
		for _, position := range c.positional {
			for _, name := range position {
				c.param(name)
			}
		}
	}
}

// FuzzCommandLine gives words, split at NUL, to a cmdlet: whatever they are, they are
// read or refused with an id, and the process lives.
func FuzzCommandLine(f *testing.F) {
	for i, s := range []string{
		"s1\x00{\x00ls\x00}\x00-Disc", "-Id\x001,2\x00-Idle\x0048h", "-Session\x00[{\"Id\":1,\"Name\":\"a\"}]\x00-WhatIf:$false", "https://a:1\x00-n*", "-Cn\x00@web,@file:x\x00-o\x00json",
		"--\x00a", "-ea\x00s\x00-Confirm", "3\x004\x005", "-Since\x0015:04\x00--tail=0x10", "-?",
	} {
		f.Add(uint8(i), s)
	}
	var names []string
	for _, c := range commandNames {
		names = append(names, c.Name)
	}
	sort.Strings(names)
	f.Fuzz(func(t *testing.T, which uint8, s string) {
		c := constructors[strings.ToLower(names[int(which)%len(names)])]().complete()
		params := make([]Parameter, len(c.params))
		for i := range c.params {
			params[i] = c.params[i].Parameter
		}
		n, err := Normalize(c.name, params, strings.Split(s, "\x00"))
		if err == nil && !n.HelpWanted {
			n, _, err = c.resolve(n)
		}
		if err != nil {
			require.NotEmpty(t, api.AsError(err).FullyQualifiedErrorID)
			require.NotEqual(t, api.CodeInternal, api.AsError(err).Code, err.Error())
			return
		}
		if n.HelpWanted {
			return
		}
		// What was accepted is accepted again in the form that it was brought into.
		again, err := Normalize(c.name, params, n.Argv(params))
		require.NoError(t, err)
		again, _, err = c.resolve(again)
		require.NoError(t, err)
		require.Equal(t, n.Args, again.Args)
	})
}
