//go:build linux

package main_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setting is the two options that have several places.
type setting struct {
	minutes int
	mode    string
}

// arguments are those of a cmdlet that takes the time by this parameter, in its unit.
func (s setting) arguments(parameter string, minute int) (args []string) {
	if s.minutes > 0 {
		args = append(args, parameter, strconv.Itoa(minute*s.minutes))
	}
	if s.mode != "" {
		args = append(args, "--output-buffering-mode", s.mode)
	}
	return args
}

// settingOf reads what a session has.
func settingOf(t *testing.T, text string) setting {
	var s []struct {
		IdleTimeout         int64
		OutputBufferingMode string
	}
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	return setting{int(s[0].IdleTimeout / 60_000), s[0].OutputBufferingMode}
}

// TestPrecedenceOfOptions is DESIGN 5 in one table, each row a session of real
// processes: Disconnect-PSSession's own parameters go before --session-option, that
// before the variable PSSessionOption, each as a whole object, both before the session
// configuration, and that before what is built in. 0 and "" are not given.
func TestPrecedenceOfOptions(t *testing.T) {
	const builtIn = 7 * 24 * 60
	w := newWorld(t, thisPSS, map[string]string{
		"host.toml":                "min_idle_timeout = \"1s\"\nlinger = \"1s\"\n",
		"configurations/both.toml": "IdleTimeoutMs = \"10m\"\nMaxIdleTimeoutMs = \"100m\"\nOutputBufferingMode = \"Drop\"\n",
		"configurations/max.toml":  "MaxIdleTimeoutMs = \"100m\"\n",
	})
	for i, row := range []struct {
		configuration         string
		variable, option      *setting // the objects, or none
		disconnect            setting
		created, disconnected setting // what the session has then
	}{
		{"", nil, nil, setting{}, setting{builtIn, "Block"}, setting{builtIn, "Block"}},
		{"max", nil, nil, setting{}, setting{100, "Block"}, setting{100, "Block"}},
		{"both", nil, nil, setting{}, setting{10, "Drop"}, setting{10, "Drop"}},
		{"both", &setting{20, ""}, nil, setting{}, setting{20, "Drop"}, setting{20, "Drop"}},
		{"both", &setting{0, "Block"}, nil, setting{}, setting{10, "Block"}, setting{10, "Block"}},
		{"both", &setting{20, "Block"}, &setting{30, "Drop"}, setting{}, setting{30, "Drop"}, setting{30, "Drop"}},
		// The whole object: what the option leaves open is not taken from the variable.
		{"both", &setting{20, "Block"}, &setting{30, ""}, setting{}, setting{30, "Drop"}, setting{30, "Drop"}},
		{"both", &setting{20, "Block"}, &setting{0, "Block"}, setting{}, setting{10, "Block"}, setting{10, "Block"}},
		{"", &setting{20, "Drop"}, &setting{0, ""}, setting{}, setting{builtIn, "Block"}, setting{builtIn, "Block"}},
		{"", &setting{20, "Drop"}, nil, setting{}, setting{20, "Drop"}, setting{20, "Drop"}},
		// Disconnect's own go before all; one that is not given stays as it is.
		{"", nil, nil, setting{40, ""}, setting{builtIn, "Block"}, setting{40, "Block"}},
		{"", nil, nil, setting{0, "Drop"}, setting{builtIn, "Block"}, setting{builtIn, "Drop"}},
		{"both", &setting{20, "Block"}, &setting{30, "Drop"}, setting{40, "Block"}, setting{30, "Drop"}, setting{40, "Block"}},
		{"both", &setting{20, "Block"}, nil, setting{0, "Drop"}, setting{20, "Block"}, setting{20, "Drop"}},
		{"both", nil, &setting{30, ""}, setting{100, ""}, setting{30, "Drop"}, setting{100, "Drop"}},
		// None leaves the mode.
		{"both", nil, nil, setting{0, "None"}, setting{10, "Drop"}, setting{10, "Drop"}},
	} {
		here := *w
		object := func(o *setting) string {
			return here.must(append([]string{"new-pssessionoption"}, o.arguments("--idle-timeout-msec", 60_000)...)...)
		}
		if row.variable != nil {
			here.env = append(here.env, "PSSessionOption="+object(row.variable))
		}
		args := []string{"new-pssession", "--name", "s" + strconv.Itoa(i), "--output", "json"}
		if row.configuration != "" {
			args = append(args, "--configuration-name", row.configuration)
		}
		if row.option != nil {
			args = append(args, "--session-option", object(row.option))
		}
		assert.Equal(t, row.created, settingOf(t, here.must(args...)), "created: %+v", row)
		args = append([]string{"disconnect-pssession", "--name", "s" + strconv.Itoa(i), "--output", "json"}, row.disconnect.arguments("--idle-timeout-sec", 60)...)
		assert.Equal(t, row.disconnected, settingOf(t, here.must(args...)), "disconnected: %+v", row)
	}
}
