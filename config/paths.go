package config

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// Paths are the folders of one user on one computer. They depend on nothing
// else, in particular not on how a process was started: cron, sudo and a login
// shell find the same sessions.
type Paths struct {
	Config string // config.toml, host.toml, configurations/
	State  string // everything that pss owns, sockets and locks included

	// Runtime is what others read of a daemon that root runs for all users; empty for a
	// user's own one.
	Runtime string
}

// Find returns the caller's paths without making or checking anything.
// PSS_HOME, when set, is both folders.
func Find() (Paths, error) {
	if h := os.Getenv("PSS_HOME"); h != "" {
		abs, err := filepath.Abs(h)
		if err != nil {
			return Paths{}, homeError(h, err)
		}
		return Paths{Config: abs, State: abs}, nil
	}
	home, err := homeFolder()
	if err != nil {
		return Paths{}, homeError("~", err)
	}
	conf, state := os.Getenv("XDG_CONFIG_HOME"), os.Getenv("XDG_STATE_HOME")
	if conf == "" {
		conf = filepath.Join(home, ".config")
	}
	if state == "" {
		state = filepath.Join(home, ".local", "state")
	}
	return Paths{
		Config: filepath.Join(conf, "pss"),
		State:  filepath.Join(state, "pss", platform.MachineID()),
	}, nil
}

// homeFolder asks the user database first: HOME may be another user's under sudo.
func homeFolder() (string, error) {
	if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil && u.HomeDir != "" {
		return u.HomeDir, nil
	}
	return os.UserHomeDir()
}

// Prepare makes the state folder (0700) and checks that it is the caller's own
// and writable. It fails with HomeNotWritable.
func (p Paths) Prepare() error {
	for _, dir := range []string{p.State, p.AgentDir(), p.HostDir(), p.Sessions()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return homeError(p.State, err)
		}
		if err := platform.CheckOwner(p.State); err != nil {
			return homeError(p.State, err)
		}
	}
	// One name for all: what a killed process left goes with the next one's, and
	// several at once may do this.
	probe := filepath.Join(p.State, ".probe")
	err := os.WriteFile(probe, nil, 0o600)
	planted.Point("config-probe")
	if err == nil {
		err = os.Remove(probe)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return homeError(p.State, err)
	}
	return nil
}

// Check fails with HomeNotWritable if the state folder exists and belongs to
// somebody else; it is cheap enough for every cmdlet.
func (p Paths) Check() error {
	if err := platform.CheckOwner(p.State); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return homeError(p.State, err)
	}
	return nil
}

func homeError(dir string, err error) error {
	return api.Errorf(api.CodeHome, "the folder %s cannot be used: %v", dir, err).
		Hint("set PSS_HOME to a folder that you own and can write to").On(dir)
}

// ClientFile is config.toml.
func (p Paths) ClientFile() string { return filepath.Join(p.Config, "config.toml") }

// HostFile is host.toml.
func (p Paths) HostFile() string { return filepath.Join(p.Config, "host.toml") }

// AgentDir is the agent's own folder.
func (p Paths) AgentDir() string { return filepath.Join(p.State, "agent") }

// AgentSocket is where cmdlets reach the agent.
func (p Paths) AgentSocket() string { return filepath.Join(p.AgentDir(), "sock") }

// AgentLock is held by the running agent.
func (p Paths) AgentLock() string { return filepath.Join(p.AgentDir(), "lock") }

// AgentLog takes the agent's log.
func (p Paths) AgentLog() string { return filepath.Join(p.AgentDir(), "log") }

// HostDir is the daemon's own folder.
func (p Paths) HostDir() string { return filepath.Join(p.State, "host") }

// HostLock is held by the running daemon.
func (p Paths) HostLock() string { return filepath.Join(p.HostDir(), "lock") }

// HostInfo says where the running daemon listens; see HostInfo.
func (p Paths) HostInfo() string { return filepath.Join(p.HostDir(), "info.json") }

// HostSocket is where the daemon takes requests of its own user, or, if it serves all
// users, of those of its computer.
func (p Paths) HostSocket() string {
	if p.Runtime != "" {
		return filepath.Join(p.Runtime, "sock")
	}
	return filepath.Join(p.HostDir(), "sock")
}

// HostLog takes the daemon's log.
func (p Paths) HostLog() string { return filepath.Join(p.HostDir(), "log") }

// AuditLog takes a line for each session that is made, connected or removed.
func (p Paths) AuditLog() string { return filepath.Join(p.HostDir(), "audit.ndjson") }

// HostCertificate is the host's own certificate and key, where host.toml names none.
func (p Paths) HostCertificate() string { return filepath.Join(p.HostDir(), "cert.pem") }

// HostNextCertificate is that which comes next, and is announced.
func (p Paths) HostNextCertificate() string { return filepath.Join(p.HostDir(), "cert-next.pem") }

// HostPastKeys are the fingerprints of the keys that the host had before.
func (p Paths) HostPastKeys() string { return filepath.Join(p.HostDir(), "cert-past.json") }

// PinFile is where the agent remembers the keys of hosts.
func (p Paths) PinFile() string { return filepath.Join(p.AgentDir(), "pins.json") }

// HostToken is the local token: who can read it is the host's own user.
func (p Paths) HostToken() string { return filepath.Join(p.HostDir(), "token") }

// Sessions holds one folder per session.
func (p Paths) Sessions() string { return filepath.Join(p.State, "s") }
