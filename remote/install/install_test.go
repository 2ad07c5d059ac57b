package install

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/config"
	"pss/remote/api"
	"pss/remote/platform"
)

// computer stands for the programs of a computer: it keeps the calls, and its service is
// this very process, which serves when it is started.
type computer struct {
	t      *testing.T
	in     *Installer
	calls  []string
	active bool
	broken string // a call that fails
	silent bool   // the service starts and never serves
}

func (c *computer) Has(string) bool { return true }

func (c *computer) Run(_ context.Context, name string, args ...string) (string, error) {
	call := strings.Join(append([]string{name}, args...), " ")
	if strings.Contains(call, "is-active") || strings.HasSuffix(call, " status") {
		if !c.active {
			return "", errors.New("inactive")
		}
		return "", nil
	}
	c.calls = append(c.calls, call)
	switch {
	case call == c.broken:
		return "", errors.New("broken")
	case strings.Contains(call, "show-user"):
		return "Linger=no\n", nil
	case strings.Contains(call, " --now pss.service"), strings.HasSuffix(call, "pss start"):
		c.active = true
		if !c.silent {
			c.serve()
		}
	}
	return "", nil
}

func (c *computer) serve() {
	lock, err := platform.TakeLock(c.in.Paths.HostLock())
	if errors.Is(err, platform.ErrLocked) {
		return
	}
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = lock.Unlock() })
	info := config.HostInfo{Address: "10.0.0.5", Port: 7001, Fingerprint: "sha256:x", Pid: os.Getpid()}
	if c.in.System {
		require.NoError(c.t, c.in.Paths.WriteSystemInfo(&info))
	} else {
		require.NoError(c.t, config.WriteJSON(c.in.Paths.HostInfo(), &info))
	}
}

// newComputer has the folders of a computer with this service manager below a temporary one.
func newComputer(t *testing.T, system bool, manager string) *computer {
	dir := t.TempDir()
	for _, d := range []string{manager, "usr/local/bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	in := &Installer{
		Root: dir, System: system, User: "alice", UID: os.Geteuid(), UserHome: filepath.Join(dir, "home"), Patience: 50 * time.Millisecond,
		Paths: config.Paths{Config: filepath.Join(dir, "etc/pss"), State: filepath.Join(dir, "state")},
		Self:  func() (string, error) { return self, nil },
		Fingerprint: func(p config.Paths) (string, error) {
			return "sha256:x", errors.Join(os.MkdirAll(p.HostDir(), 0o700), os.WriteFile(filepath.Join(p.HostDir(), "cert.pem"), nil, 0o600))
		},
		Should: func(string, string) (bool, error) { return true, nil },
		Ask:    func(string) (bool, error) { return true, nil },
		Note:   func(string) {}, Warn: func(string) {},
	}
	if system {
		in.Paths.Runtime = filepath.Join(dir, "run/pss")
	}
	c := &computer{t: t, in: in}
	in.Commands = c
	return c
}

func userManager() string {
	b, _ := json.Marshal(os.Geteuid())
	return "run/user/" + string(b) + "/systemd"
}

func TestEnableSteps(t *testing.T) {
	for _, test := range []struct {
		name, manager string
		system        bool
		service       string
		first, second []string // calls
	}{
		{
			"systemd", "run/systemd/system", true, "systemd",
			[]string{"systemctl daemon-reload", "systemctl enable --now pss.service"},
			[]string{"systemctl enable --now pss.service"},
		},
		{
			"of a user", userManager(), false, "systemd of the user",
			[]string{
				"loginctl show-user alice -p Linger", "loginctl --no-ask-password enable-linger alice",
				"systemctl --user daemon-reload", "systemctl --user enable --now pss.service",
			},
			[]string{
				"loginctl show-user alice -p Linger", "loginctl --no-ask-password enable-linger alice", // this stand-in forgets it
				"systemctl --user enable --now pss.service",
			},
		},
		{
			"OpenRC", "run/openrc", true, "OpenRC",
			[]string{"rc-update --quiet add pss default", "rc-service pss start"},
			[]string{"rc-update --quiet add pss default"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newComputer(t, test.system, test.manager)
			c.in.Binary = "/bin/sh"
			r, err := c.in.Enable(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.first, c.calls)
			assert.Equal(t, test.service, r.Service)
			assert.Equal(t, "PSS_FINGERPRINT=sha256:x pss new-pssession --computer-name 10.0.0.5 --port 7001", r.Command)
			require.FileExists(t, r.Unit)

			c.calls = nil
			// It runs this test, which is no /bin/sh: as if nothing could be said of it.
			self, err := os.Executable()
			require.NoError(t, err)
			assert.False(t, c.in.runsThis(os.Getpid(), "/bin/sh"))
			assert.True(t, c.in.runsThis(os.Getpid(), self))
			svc := c.in.service()
			var done []string
			changed, err := c.in.writeFiles(&done, svc, "/bin/sh")
			require.NoError(t, err)
			assert.False(t, changed)
			require.NoError(t, c.in.linger(t.Context(), &done, &record{}))
			_, started, err := c.in.start(t.Context(), &done, svc, self, changed)
			require.NoError(t, err)
			assert.True(t, started)
			assert.Equal(t, test.second, c.calls)
		})
	}
}

// What fails is told, and the next call goes on where that one stopped.
func TestEnableFails(t *testing.T) {
	c := newComputer(t, true, "run/systemd/system")
	c.in.Binary = "/bin/sh"
	c.broken = "systemctl enable --now pss.service"
	_, err := c.in.Enable(t.Context())
	require.ErrorContains(t, err, "broken")

	c.broken, c.silent, c.calls = "", true, nil
	_, err = c.in.Enable(t.Context())
	require.Equal(t, "ServiceStartFailed", api.AsError(err).FullyQualifiedErrorID)
	require.Contains(t, api.AsError(err).RecommendedAction, "journalctl -u pss")

	c.active, c.silent = false, false
	r, err := c.in.Enable(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"Start the service: " + r.Unit}, r.Changes)
}

// Whoever says no to a step, or only asks what would be done, gets no file.
func TestEnableDeclined(t *testing.T) {
	c := newComputer(t, true, "run/systemd/system")
	var asked []string
	c.in.Should = func(action, _ string) (bool, error) { asked = append(asked, action); return false, nil }
	r, err := c.in.Enable(t.Context())
	require.NoError(t, err)
	assert.Nil(t, r)
	assert.Empty(t, c.calls)
	assert.Equal(t, []string{"Install the binary", "Make the certificate", "Write the configuration", "Write the service", "Write the service", "Start the service"}, asked)
	assert.NoDirExists(t, c.in.Paths.State)
	assert.NoDirExists(t, c.in.Paths.Config)
}

// Another program in the way is replaced only by force, and then left behind by a purge.
func TestBinaryInTheWay(t *testing.T) {
	c := newComputer(t, true, "run/systemd/system")
	there := c.in.home()
	require.NoError(t, os.WriteFile(there, []byte("#!/bin/sh\n"), 0o755))
	_, err := c.in.Enable(t.Context())
	require.Equal(t, "BinaryExists", api.AsError(err).FullyQualifiedErrorID)
	c.in.Force = true
	r, err := c.in.Enable(t.Context())
	require.NoError(t, err)
	assert.Equal(t, there, r.Binary)
	same, err := isSelf(there)
	require.NoError(t, err)
	assert.True(t, same)
	assert.Empty(t, c.in.readRecord().Binary)
}

func TestNoManager(t *testing.T) {
	c := newComputer(t, false, "run/systemd/system") // of the system, and no user's
	c.in.Binary = "/bin/sh"
	_, err := c.in.Enable(t.Context())
	require.Equal(t, "ServiceManagerNotFound", api.AsError(err).FullyQualifiedErrorID)
	require.Contains(t, api.AsError(err).RecommendedAction, "/bin/sh host")
}

func TestUnsafe(t *testing.T) {
	in := &Installer{UID: os.Geteuid()}
	assert.Empty(t, in.unsafe("/bin/sh"))
	for path, why := range map[string]string{"/bin": "no program", "/etc/passwd": "no program", "/nowhere/pss": "no such file"} {
		assert.Contains(t, in.unsafe(path), why, path)
	}
	file := filepath.Join(t.TempDir(), "pss")
	require.NoError(t, os.WriteFile(file, nil, 0o755))
	assert.Contains(t, in.unsafe(file), "temporary")
}

// Whoever says no keeps everything. A user's own settings and sessions stay in any case,
// and so does a host.toml that is not as it was made.
func TestPurge(t *testing.T) {
	for _, changed := range []bool{false, true} {
		c := newComputer(t, false, userManager())
		c.in.Binary = "/bin/sh"
		r, err := c.in.Enable(t.Context())
		require.NoError(t, err)
		theirs := filepath.Join(c.in.Paths.Config, "config.toml")
		require.NoError(t, os.WriteFile(theirs, nil, 0o600))
		if changed {
			require.NoError(t, os.WriteFile(r.Configuration, []byte("listen = \":1\"\n"), 0o600))
		}
		c.in.Ask = func(string) (bool, error) { return false, nil }
		require.NoError(t, c.in.Purge(t.Context()))
		require.FileExists(t, r.Unit)

		c.in.Ask, c.calls = func(string) (bool, error) { return true, nil }, nil
		require.NoError(t, c.in.Purge(t.Context()))
		assert.Equal(t, []string{"systemctl --user disable --now pss.service", "systemctl --user daemon-reload", "loginctl --no-ask-password disable-linger alice"}, c.calls)
		assert.NoFileExists(t, r.Unit)
		assert.FileExists(t, theirs)
		assert.DirExists(t, c.in.Paths.Sessions())
		_, err = os.Stat(r.Configuration)
		assert.Equal(t, changed, err == nil, r.Configuration)
		require.NoError(t, c.in.Purge(t.Context()), "once more is no error")
	}
}
