package install

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSystemdWord(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/local/bin/pss": "/usr/local/bin/pss",
		"/opt/100% a/pss":    `"/opt/100%% a/pss"`,
		`/opt/"$x"\y`:        `"/opt/\"$$x\"\\y"`,
		"":                   `""`,
	} {
		assert.Equal(t, want, systemdWord(in), in)
	}
}

func TestShellWord(t *testing.T) {
	for _, word := range []string{"/usr/local/bin/pss", "/opt/100% a/pss", `it's "$x"\`, "", "[::]:5986", "a\nb"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(word)).Output()
		require.NoError(t, err)
		assert.Equal(t, word, string(out))
	}
}

// What a restart must not touch stands in the units of both managers.
func TestUnitsLeaveSessionsAlone(t *testing.T) {
	for _, system := range []bool{true, false} {
		text := systemdUnit([]string{"/bin/pss", "host"}, system)
		for _, line := range []string{"KillMode=process", "Restart=always", "TasksMax=infinity", "Type=notify", "ExecStart=/bin/pss host"} {
			assert.Contains(t, strings.Split(text, "\n"), line)
		}
		assert.Equal(t, system, strings.Contains(text, "Slice=pss.slice"))
		for _, word := range []string{"NoNewPrivileges", "Protect", "Private", "Restrict", "CapabilityBoundingSet", "SystemCallFilter"} {
			assert.NotContains(t, text, word, "sessions would inherit it")
		}
	}
	assert.Contains(t, openRCScript([]string{"/bin/pss", "host", "--system"}, "/var/lib/pss/host/log"), "rc_cgroup_cleanup=\"no\"\n")
}
