package platform

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLoginOf(t *testing.T) {
	none, session, manager := login{}, login{uid: 1000}, login{1000, true}
	for groups, want := range map[string]login{
		"": none,
		"0::/user.slice/user-1000.slice/session-3.scope\n":                                                session,
		"0::/user.slice/user-1000.slice/session-c1.scope/sub\n":                                           session,
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1a2b.scope\n":                    manager,
		"0::/system.slice/ssh.service\n":                                                                  none,
		"12:pids:/user.slice/user-1000.slice\n1:name=systemd:/user.slice/user-1000.slice/session-1.scope": session,
		"0::/elsewhere/session-9.scope":                                                                   {uid: -1},
		"0::/user-x.slice/session-9.scope":                                                                {uid: -1},
		"0::/user@.service":                                                                               none,
		"0::/user@-1.service":                                                                             none,
		"0::/\n":                                                                                          none,
		"junk":                                                                                            none,
	} {
		got, ok := loginOf([]byte(groups))
		assert.Equal(t, want, got, groups)
		assert.Equal(t, want != none, ok, groups)
	}
}

func TestKilled(t *testing.T) {
	for text, want := range map[string]bool{
		"KillUserProcesses=no\n":                                           false,
		"KillUserProcesses=yes\nKillExcludeUsers=root\n":                   true,
		"KillUserProcesses=yes\r\nKillExcludeUsers=\r\n":                   true,
		"KillUserProcesses=yes\nKillExcludeUsers=bob ann":                  false,
		"KillUserProcesses=no\nKillOnlyUsers=bob ann\n":                    true,
		"KillUserProcesses=yes\nKillOnlyUsers=bob annie\n":                 false,
		"KillOnlyUsers=ann\nKillUserProcesses=yes\nKillExcludeUsers=ann\n": false,
		"": false,
	} {
		assert.Equal(t, want, killed(properties(text), "ann"), text)
	}
	yes := properties("KillUserProcesses=yes")
	assert.False(t, killed(yes, "root"), "root is excluded where nobody is named")
	yes["KillExcludeUsers"] = "bob"
	assert.True(t, killed(yes, "root"), "naming others includes root")
}

// No two cases of the decision contradict one another: all of them are gone through.
func TestPlace(t *testing.T) {
	for n := range 32 {
		on := func(bit int) bool { return n&bit != 0 }
		s := standing{root: on(1), manager: on(2), logind: on(4), lingers: on(8), ends: on(16)}
		place := s.place()
		switch {
		case s.root:
			assert.Equal(t, placeScope, place, s)
		case s.ends && s.logind && !s.lingers:
			assert.Equal(t, placeNone, place, s)
		case place == placeHere:
			assert.False(t, s.ends, s)
		case place == placeNone:
			assert.Fail(t, "lingering is enabled for nothing", s)
		case s.logind:
			assert.True(t, s.lingers, "a scope ends with the last login: %+v", s)
		}
	}
}

// computer plays loginctl and systemd-run for user ann, 1000, on a computer that also
// knows root and bob, 1001.
type computer struct {
	logind string   // the manager's properties; empty: no logind
	linger []string // who lingers
	logins string   // who has logged in
	polkit bool     // users may enable lingering for themselves
	uid    int
	broken bool // systemd-run fails
	asked  []string
}

var names = map[string]string{"0": "root", "1000": "ann", "1001": "bob"}

func (c *computer) loginctl(args ...string) (string, error) {
	c.asked = append(c.asked, strings.Join(args, " "))
	switch {
	case c.logind == "":
		return "", errors.New("Failed to connect to bus")
	case args[0] == "show-session":
		return c.logind, nil
	case args[0] == "show-user":
		name := names[args[1]]
		if slices.Contains(c.linger, name) {
			return "Name=" + name + "\nLinger=yes\n", nil
		}
		if strings.Contains(c.logins, name) {
			return "Name=" + name + "\nLinger=no\n", nil
		}
		return "", errors.New("not logged in or lingering")
	case c.polkit:
		c.linger = append(c.linger, names[args[2]])
		return "", nil
	}
	return "", errors.New("Could not enable linger: Access denied")
}

func (c *computer) scopes(uid int) ([]string, error) {
	c.asked = append(c.asked, "systemd-run")
	if c.broken {
		return nil, errors.New("exit status 1")
	}
	return []string{"systemd-run"}, nil
}

func TestWayOut(t *testing.T) {
	const kill, keep = "KillUserProcesses=yes\n", "KillUserProcesses=no\n"
	session, manager := login{uid: 1000}, login{1000, true}
	for name, c := range map[string]struct {
		on       computer
		from     login
		way      string // "here", "out", "ends"
		lingerer string
	}{
		"lingering":                     {computer{logind: kill, linger: []string{"ann"}}, session, "out", ""},
		"lingering, nothing killed":     {computer{logind: keep, linger: []string{"ann"}}, session, "out", ""},
		"nothing killed":                {computer{logind: keep, polkit: true}, session, "here", ""},
		"killed, lingering possible":    {computer{logind: kill, polkit: true}, session, "out", "ann"},
		"killed, lingering impossible":  {computer{logind: kill}, session, "ends", ""},
		"killed, user excluded":         {computer{logind: kill + "KillExcludeUsers=ann\n"}, session, "here", ""},
		"only this user killed":         {computer{logind: keep + "KillOnlyUsers=ann\n"}, session, "ends", ""},
		"no logind":                     {computer{}, session, "out", ""},
		"no logind, no systemd-run":     {computer{broken: true}, session, "here", ""},
		"login of an unknown user":      {computer{logind: kill}, login{uid: -1}, "ends", ""},
		"lingering, no systemd-run":     {computer{logind: kill, linger: []string{"ann"}, broken: true}, session, "ends", ""},
		"the same, nothing killed":      {computer{logind: keep, linger: []string{"ann"}, broken: true}, session, "here", ""},
		"desktop, lingering":            {computer{logind: keep, linger: []string{"ann"}}, manager, "here", ""},
		"desktop, lingering possible":   {computer{logind: keep, polkit: true}, manager, "here", "ann"},
		"desktop, lingering impossible": {computer{logind: keep}, manager, "ends", ""},
		"desktop, no logind":            {computer{}, manager, "here", ""},
		"su from a desktop":             {computer{logind: keep, polkit: true, uid: 1001, logins: "ann bob"}, manager, "out", "bob"},
		"su, nothing killed":            {computer{logind: keep, uid: 1001}, session, "here", ""},
		"su, not possible":              {computer{logind: kill, uid: 1001}, session, "ends", ""},
		"root":                          {computer{logind: kill, uid: -1}, login{}, "out", ""},
		"sudo":                          {computer{logind: kill, uid: -1}, session, "out", ""},
		"root, no systemd-run":          {computer{logind: kill, uid: -1, broken: true}, login{}, "here", ""},
		"sudo, no systemd-run":          {computer{logind: kill, uid: -1, broken: true}, session, "ends", ""},
	} {
		t.Run(name, func(t *testing.T) {
			on := c.on
			switch on.uid {
			case 0:
				on.uid = 1000
			case -1:
				on.uid = 0
			}
			if on.logins == "" {
				on.logins = "ann root"
			}
			s := &system{uid: on.uid, loginctl: on.loginctl, scopes: on.scopes}
			way := s.wayOutOf(c.from)
			assert.Equal(t, c.way == "out", way.argv != nil)
			assert.Equal(t, c.way == "ends", way.Ends)
			assert.Equal(t, way.Ends, way.Cause != "")
			assert.Equal(t, way.Ends, way.Remedy != "")
			assert.Equal(t, c.lingerer, way.Lingerer)
			if c.way == "here" && !on.broken {
				assert.NotContains(t, on.asked, "systemd-run", "nothing is started to no end")
			}
		})
	}
}

func FuzzLogin(f *testing.F) {
	f.Add("0::/user.slice/user-1000.slice/session-3.scope\n", "KillUserProcesses=yes\nKillExcludeUsers=root ann\n", "ann")
	f.Add("1:name=systemd:/user@1.service", "KillOnlyUsers=\n=\nx", "")
	f.Fuzz(func(t *testing.T, groups, text, user string) {
		if l, ok := loginOf([]byte(groups)); ok {
			assert.GreaterOrEqual(t, l.uid, -1)
			assert.True(t, strings.Contains(groups, "session-") || strings.Contains(groups, "user@"))
		}
		p := properties(text)
		if killed(p, user) {
			assert.True(t, p["KillUserProcesses"] == "yes" || strings.Contains(p["KillOnlyUsers"], user))
			assert.NotContains(t, strings.Fields(p["KillExcludeUsers"]), user)
		}
		for name := range p {
			assert.Contains(t, text, name)
		}
	})
}
