package config

import (
	"os"
	"path/filepath"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// The folders of the daemon that root runs for all users of a computer.
const (
	systemConfig  = "/etc/pss"
	systemState   = "/var/lib/pss"
	systemRuntime = "/run/pss"
	systemInfo    = "host.json"
)

// System returns the folders of the daemon that root runs for all users. PSS_HOME,
// when set, is all of them, with what others read in its folder run.
func System() (Paths, error) {
	if os.Getenv("PSS_HOME") != "" {
		p, err := Find()
		p.Runtime = filepath.Join(p.State, "run")
		return p, err
	}
	return Paths{Config: systemConfig, State: systemState, Runtime: systemRuntime}, nil
}

// OfDaemon returns the folders of the host that its administrator means: those of the
// system for root, once there is a host.toml there, and otherwise the caller's own.
func OfDaemon() (Paths, error) {
	if os.Geteuid() == 0 && os.Getenv("PSS_HOME") == "" {
		if _, err := os.Lstat(filepath.Join(systemConfig, "host.toml")); err == nil {
			return System()
		}
	}
	return Find()
}

// IsSystem reports whether these are the folders of the daemon for all users; those below
// PSS_HOME are not, they only stand for them.
func (p Paths) IsSystem() bool { return p.State == systemState }

// SystemHostInfo is what the running daemon of the system tells every user in
// host.json: where it listens, and by which socket it is reached.
type SystemHostInfo struct {
	HostInfo
	Socket string
}

// SystemInfo is host.json, which root's daemon for all users writes once it serves and
// which others may believe: nobody else can write in its folder.
func (p Paths) SystemInfo() string { return filepath.Join(p.Runtime, systemInfo) }

// Daemon returns what the daemon of the system tells, which is what localhost means; false:
// there is none, or PSS_HOME is set, or it stands where somebody else than root could have
// written it.
func Daemon() (SystemHostInfo, bool) {
	if os.Getenv("PSS_HOME") != "" {
		return SystemHostInfo{}, false
	}
	info, err := Paths{State: systemState, Runtime: systemRuntime}.readSystemInfo()
	return info, err == nil && info.Socket != ""
}

// DaemonMark changes whenever the daemon of the system starts or ends.
func DaemonMark() string {
	st, err := os.Lstat(filepath.Join(systemRuntime, systemInfo))
	if err != nil || os.Getenv("PSS_HOME") != "" {
		return ""
	}
	return st.ModTime().String()
}

// readSystemInfo reads host.json, if nobody but root can have made it.
func (p Paths) readSystemInfo() (info SystemHostInfo, err error) {
	for _, path := range []string{p.Runtime, p.SystemInfo()} {
		if err := platform.CheckTrusted(path, 0); err != nil && !planted.On("host-json-of-anybody") {
			return info, err
		}
	}
	return info, ReadJSON(p.SystemInfo(), &info)
}

// RemoteDisabled is the mark that Disable-PSRemoting leaves: while it is there, no
// session is made for another computer.
func (p Paths) RemoteDisabled() string { return filepath.Join(p.HostDir(), "remote-disabled") }

// InstallRecord says what Enable-PSRemoting has added to the computer that stands in no
// folder of pss.
func (p Paths) InstallRecord() string { return filepath.Join(p.HostDir(), "installed.json") }

// PrepareSystem makes the folders of a daemon of the system, and Prepare's. That for
// what others read is made anew at each start, because the computer's may empty it. One
// that somebody else can write to is refused.
func (p Paths) PrepareSystem() error {
	for _, dir := range []string{p.Config, p.Runtime} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return homeError(dir, err)
		}
		if err := platform.CheckPrivate(dir); err != nil && !planted.On("shared-folder-taken") {
			return homeError(dir, err)
		}
		if dir == p.State {
			continue // PSS_HOME is both, and private
		}
		if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask was
			return homeError(dir, err)
		}
	}
	if err := os.MkdirAll(p.State, 0o700); err != nil {
		return homeError(p.State, err)
	}
	if err := os.Chmod(p.State, 0o700); err != nil {
		return homeError(p.State, err)
	}
	return p.Prepare()
}

// WriteSystemInfo publishes what the daemon tells every user (0644).
func (p Paths) WriteSystemInfo(info *HostInfo) error {
	if err := WriteJSON(p.SystemInfo()+".mine", &SystemHostInfo{HostInfo: *info, Socket: p.HostSocket()}); err != nil {
		return err
	}
	err := os.Chmod(p.SystemInfo()+".mine", 0o644)
	if err == nil {
		err = os.Rename(p.SystemInfo()+".mine", p.SystemInfo())
	}
	return err
}

// NotRoot is the error of what only root may do.
func NotRoot(what, hint string) error {
	return api.Errorf(api.CodeAccessDenied, "%s needs root", what).WithID("System.InvalidOperationException").Hint("%s", hint)
}
