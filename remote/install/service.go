package install

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"pss/config"
)

// service is the daemon in the eyes of the computer's service manager.
type service interface {
	name() string
	files(argv []string) []file // the first one is the service's own
	active(ctx context.Context) bool
	// enable makes it start with the computer, and starts it; changed: its files were.
	enable(ctx context.Context, changed bool) error
	restart(ctx context.Context) error
	// stop ends it and makes it start no more.
	stop(ctx context.Context) error
	// forget is called when its files are gone.
	forget(ctx context.Context) error
	logs() string // the command that shows what it said
}

// file is one that a service manager reads.
type file struct {
	path, text string
	mode       fs.FileMode
}

// at is a path outside of pss's own folders.
func (in *Installer) at(path string) string { return filepath.Join(in.Root, path) }

// service finds the computer's service manager; nil: none that we know.
func (in *Installer) service() service {
	exists := func(path string) bool {
		_, err := os.Stat(in.at(path))
		return err == nil
	}
	switch {
	case in.System && exists("/run/systemd/system") && in.Commands.Has("systemctl"):
		return &systemd{in: in, dir: in.at("/etc/systemd/system")}
	case !in.System && exists(filepath.Join("/run/user", strconv.Itoa(in.UID), "systemd")) && in.Commands.Has("systemctl"):
		return &systemd{in: in, dir: filepath.Join(filepath.Dir(in.Paths.Config), "systemd", "user"), flags: []string{"--user"}}
	case in.System && (exists("/run/openrc") || exists("/sbin/openrc-run")) && in.Commands.Has("rc-service"):
		return &openRC{in}
	}
	return nil
}

const unit = "pss.service"

type systemd struct {
	in    *Installer
	dir   string
	flags []string
}

func (s *systemd) run(ctx context.Context, args ...string) error {
	_, err := s.in.Commands.Run(ctx, "systemctl", append(s.flags[:len(s.flags):len(s.flags)], args...)...)
	return err
}

func (s *systemd) name() string {
	if s.flags != nil {
		return "systemd of the user"
	}
	return "systemd"
}

func (s *systemd) files(argv []string) []file {
	files := []file{{filepath.Join(s.dir, unit), systemdUnit(argv, s.in.System), 0o644}}
	if s.in.System {
		files = append(files, file{filepath.Join(s.dir, "pss.slice"), sliceUnit, 0o644})
	}
	return files
}

func (s *systemd) active(ctx context.Context) bool {
	return s.run(ctx, "is-active", "--quiet", unit) == nil
}

func (s *systemd) enable(ctx context.Context, changed bool) error {
	if changed {
		if err := s.run(ctx, "daemon-reload"); err != nil {
			return err
		}
	}
	return s.run(ctx, "enable", "--now", unit)
}

func (s *systemd) restart(ctx context.Context) error { return s.run(ctx, "restart", unit) }
func (s *systemd) stop(ctx context.Context) error    { return s.run(ctx, "disable", "--now", unit) }
func (s *systemd) forget(ctx context.Context) error  { return s.run(ctx, "daemon-reload") }

func (s *systemd) logs() string {
	if s.flags != nil {
		return "journalctl --user -u pss"
	}
	return "journalctl -u pss"
}

type openRC struct{ in *Installer }

func (o *openRC) run(ctx context.Context, name string, args ...string) error {
	_, err := o.in.Commands.Run(ctx, name, args...)
	return err
}

func (o *openRC) name() string { return "OpenRC" }

func (o *openRC) files(argv []string) []file {
	return []file{{o.in.at("/etc/init.d/pss"), openRCScript(argv, o.in.Paths.HostLog()), 0o755}}
}

func (o *openRC) active(ctx context.Context) bool {
	return o.run(ctx, "rc-service", "--quiet", "pss", "status") == nil
}

func (o *openRC) enable(ctx context.Context, _ bool) error {
	if err := o.run(ctx, "rc-update", "--quiet", "add", "pss", "default"); err != nil {
		return err
	}
	if o.active(ctx) {
		return nil
	}
	return o.run(ctx, "rc-service", "pss", "start")
}

func (o *openRC) restart(ctx context.Context) error {
	return o.run(ctx, "rc-service", "pss", "restart")
}

func (o *openRC) stop(ctx context.Context) error {
	if o.active(ctx) {
		if err := o.run(ctx, "rc-service", "pss", "stop"); err != nil {
			return err
		}
	}
	return o.run(ctx, "rc-update", "--quiet", "del", "pss", "default")
}

func (o *openRC) forget(context.Context) error { return nil }
func (o *openRC) logs() string                 { return "tail " + o.in.Paths.HostLog() }

// arguments are those with which the service runs the binary.
func (in *Installer) arguments(binary string, conf *config.Host) []string {
	argv := []string{binary, "host"}
	if in.System {
		return append(argv, "--system")
	}
	if conf.Listen == "" { // host.toml is the user's, and says nothing
		argv = append(argv, "--listen", in.listen())
	}
	return argv
}
