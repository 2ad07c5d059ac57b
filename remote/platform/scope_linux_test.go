package platform

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInLogin(t *testing.T) {
	for groups, want := range map[string]bool{
		"": false,
		"0::/user.slice/user-1000.slice/session-3.scope\n":                             true,
		"0::/user.slice/user-1000.slice/session-c1.scope/sub\n":                        true,
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1a2b.scope\n": false,
		"0::/system.slice/ssh.service\n":                                               false,
		"12:pids:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-1.scope": true,
		"0::/\n": false,
		"junk":   false,
	} {
		assert.Equal(t, want, inLogin([]byte(groups)), groups)
	}
}
