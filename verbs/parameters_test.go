package verbs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// surface is one line of testdata/powershell/parameters.txt.
type surface struct {
	cmdlet, name string
	aliases      []string
	sets         []string // nil: all
	treatment    string
}

func readSurface(t *testing.T) []surface {
	data, err := os.ReadFile("../testdata/powershell/parameters.txt")
	require.NoError(t, err)
	var lines []surface
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		require.Len(t, f, 4, line)
		names := strings.Split(f[1], "/")
		s := surface{cmdlet: f[0], name: names[0], aliases: names[1:], treatment: f[3]}
		if f[2] != "-" {
			s.sets = strings.Split(f[2], ",")
		}
		require.Contains(t, []string{"works", "ignored", "refused", "ours"}, s.treatment, line)
		lines = append(lines, s)
	}
	return lines
}

// TestParametersArePowerShells walks the list of PowerShell's parameters and the
// declarations, both ways: each one is there under its name and aliases, in its sets,
// and a command line with it is taken or refused as the list says.
func TestParametersArePowerShells(t *testing.T) {
	listed := map[string]map[string]bool{}
	for _, s := range readSurface(t) {
		build, ok := constructors[strings.ToLower(s.cmdlet)]
		if !assert.True(t, ok, "there is no cmdlet %s", s.cmdlet) {
			continue
		}
		c := build().complete()
		if listed[c.name] == nil {
			listed[c.name] = map[string]bool{}
		}
		assert.False(t, listed[c.name][s.name], "%s -%s is listed twice", c.name, s.name)
		listed[c.name][s.name] = true
		i := slices.IndexFunc(c.params, func(p param) bool { return p.Name == s.name })
		if !assert.GreaterOrEqual(t, i, 0, "%s has no -%s", s.cmdlet, s.name) {
			continue
		}
		checkSurface(t, c, &c.params[i], &s)
	}
	for name, params := range listed {
		for _, p := range constructors[strings.ToLower(name)]().params {
			assert.True(t, params[p.Name] || p.Common, "%s -%s is not listed", name, p.Name)
		}
	}
}

func checkSurface(t *testing.T, c *command, p *param, s *surface) {
	at := s.cmdlet + " -" + s.name
	assert.Equal(t, s.cmdlet, c.name, "the spelling of %s", at)
	for _, a := range s.aliases {
		assert.Contains(t, p.Aliases, a, at)
	}
	assert.ElementsMatch(t, s.sets, p.sets, "the sets of %s", at)
	assert.Equal(t, s.treatment == "refused", p.refusal != "", "%s is refused", at)
	assert.Equal(t, s.treatment == "ignored", p.unused != "", "%s is ignored", at)
	for _, spelling := range append([]string{s.name}, s.aliases...) {
		_, _, err := read(t, append([]string{c.name}, lineWith(t, c, p, spelling)...)...)
		if s.treatment == "refused" {
			require.Error(t, err, at)
			assert.Equal(t, "ParameterNotSupported", api.AsError(err).FullyQualifiedErrorID, at)
			assert.Contains(t, err.Error(), p.FlagName(), at)
			continue
		}
		assert.NoError(t, err, at)
	}
}

// samples are values of which one suits every kind.
var samples = []string{"1", "100", "localhost", "a=b", "https://localhost", "de-DE", someGUID, "{}", "Basic", "0123456789abcdef0123456789abcdef01234567"}

// lineWith is a command line with p and whatever else one of its sets needs.
func lineWith(t *testing.T, c *command, p *param, spelling string) []string {
	line := withValue(t, p, spelling)
	sets := c.sets
	if sets == nil {
		return line
	}
	set := sets[slices.IndexFunc(sets, func(s paramSet) bool { return p.inSet(s.name) })]
	for _, name := range set.mandatory {
		if name != p.Name {
			line = append(line, withValue(t, c.param(name), name)...)
		}
	}
	for _, form := range c.forms {
		if form != wordsForm && form != p.Name && !slices.Contains(c.forms, p.Name) {
			return append(line, withValue(t, c.param(form), form)...)
		}
	}
	return line
}

func withValue(t *testing.T, p *param, spelling string) []string {
	if p.Kind == KindSwitch {
		return []string{"-" + spelling}
	}
	for _, v := range append(slices.Clone(p.kind.one), samples...) {
		if _, err := p.checkOne(v); err == nil {
			return []string{"-" + spelling, v}
		}
	}
	require.Fail(t, "no sample suits", "-%s", p.Name)
	return nil
}
