package install

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pss/config"
	"pss/remote/api"
	"pss/remote/platform"
)

// serveTimeout bounds how long the service may take until it takes requests.
const serveTimeout = 30 * time.Second

func (in *Installer) listen() string { return cmp.Or(in.Listen, config.DefaultSystemListen) }

// Enable installs the service and starts it, and returns it once it takes requests. What
// is there already is kept, and what is missing or wrong is made right. nil without an
// error: steps were left out, and it may not run.
func (in *Installer) Enable(ctx context.Context) (*Result, error) {
	if err := in.checkListen(); err != nil {
		return nil, err
	}
	var done []string
	rec := in.readRecord()
	binary, err := in.binary(&done, rec)
	if err != nil {
		return nil, err
	}
	if err := in.prepare(&done, rec); err != nil {
		return nil, err
	}
	svc := in.service()
	if svc == nil {
		return nil, in.noManager(binary)
	}
	changed, err := in.writeFiles(&done, svc, binary)
	if err != nil {
		return nil, err
	}
	if err := in.linger(ctx, &done, rec); err != nil {
		return nil, err
	}
	was, started, err := in.start(ctx, &done, svc, binary, changed)
	if err != nil || !started {
		return nil, err
	}
	info, err := in.served(ctx, svc, was)
	if err != nil {
		return nil, err
	}
	in.warnOfLimits(info.Pid)
	if len(done) == 0 {
		in.note("everything was there, and it runs")
	}
	return in.result(svc, binary, info, done), nil
}

// checkListen refuses an address that cannot be listened on, or that host.toml overrules.
func (in *Installer) checkListen() error {
	_, port, err := net.SplitHostPort(in.listen())
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 {
		return api.Errorf(api.CodeUsage, "%q is no HOST:PORT with a port from 1 to 65535", in.listen()).
			WithID("ParameterBindingFailed").On(in.listen()).Hint("an empty HOST means every address: --listen :5986")
	}
	conf, err := in.Paths.LoadHost()
	if err != nil {
		return err
	}
	if in.Listen != "" && conf.Listen != "" && conf.Listen != in.Listen {
		return api.Errorf(api.CodeInvalidArgument, "%s says listen = %q, and pss never writes to it again", in.Paths.HostFile(), conf.Listen).
			WithID("ListenConfigured").On(in.Paths.HostFile()).Hint("change it there, then: %s", in.again("enable-psremoting"))
	}
	return nil
}

// again is the command line of a cmdlet, as who calls has to type it.
func (in *Installer) again(cmdlet string) string {
	if in.System {
		return "sudo pss " + cmdlet
	}
	return "pss " + cmdlet
}

// prepare makes folders, certificate and host.toml, and lets sessions be made.
func (in *Installer) prepare(done *[]string, rec *record) error {
	if _, err := os.Stat(in.Paths.HostCertificate()); err != nil {
		err := in.step(done, "Make the certificate", in.Paths.HostDir(), func() error {
			_, err := in.Fingerprint(in.Paths)
			return err
		})
		if err != nil {
			return err
		}
	}
	if _, err := os.Stat(in.Paths.HostFile()); errors.Is(err, os.ErrNotExist) {
		err := in.step(done, "Write the configuration", in.Paths.HostFile(), func() error {
			if err := os.MkdirAll(in.Paths.Config, 0o755); err != nil {
				return err
			}
			text := fmt.Sprintf("# This file is yours: pss never writes to it again.\n# pss help about_Configuration lists its keys.\nlisten = %q\n", in.listen())
			if err := config.WriteFile(in.Paths.HostFile(), []byte(text)); err != nil {
				return err
			}
			rec.HostFile = text
			return in.writeRecord(rec)
		})
		if err != nil {
			return err
		}
	}
	if _, err := os.Lstat(in.Paths.RemoteDisabled()); err == nil {
		return in.step(done, "Allow new sessions for other computers", in.Paths.RemoteDisabled(), func() error {
			return os.Remove(in.Paths.RemoteDisabled())
		})
	}
	return nil
}

// noManager says how the daemon is started by hand.
func (in *Installer) noManager(binary string) error {
	argv := []string{binary, "host", "--system"}
	where := "systemd or OpenRC"
	if !in.System {
		argv, where = []string{binary, "host"}, "systemd with a manager for the user (systemctl --user)"
	}
	for i := range argv {
		argv[i] = shellWord(argv[i])
	}
	return api.Errorf(api.CodeInvalidState, "there is no service manager here that pss knows (%s); nothing was started", where).
		WithID("ServiceManagerNotFound").
		Hint("everything else is prepared: have this command started with the computer, and again whenever it ends: %s", strings.Join(argv, " "))
}

// writeFiles writes the files of the service manager that are missing or not as they
// should be.
func (in *Installer) writeFiles(done *[]string, svc service, binary string) (changed bool, err error) {
	conf, err := in.Paths.LoadHost()
	if err != nil {
		return false, err
	}
	for _, f := range svc.files(in.arguments(binary, conf)) {
		if data, err := os.ReadFile(f.path); err == nil && bytes.Equal(data, []byte(f.text)) {
			continue
		}
		err := in.step(done, "Write the service", f.path, func() error {
			changed = true
			if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
				return err
			}
			return replace(f.path, []byte(f.text), f.mode)
		})
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// start starts the service, or starts it again where it does not run what it should. was
// is the process that ran before and must not be taken for the new one.
func (in *Installer) start(ctx context.Context, done *[]string, svc service, binary string, changed bool) (was int, started bool, err error) {
	active := svc.active(ctx)
	old, runs := in.running()
	step := func(action string, do func() error) error {
		return in.step(done, action, svc.files([]string{binary})[0].path, func() error {
			started = true
			return do()
		})
	}
	switch {
	case !active:
		err = step("Start the service", func() error {
			if runs { // an embedded one, or one that was started by hand
				in.takeOver(old.Pid)
			}
			return svc.enable(ctx, true)
		})
		return old.Pid, started, err
	case changed || !runs || !in.runsThis(old.Pid, binary):
		err = step("Start the service again", func() error {
			if err := svc.enable(ctx, true); err != nil {
				return err
			}
			return svc.restart(ctx)
		})
		return old.Pid, started, err
	}
	return 0, true, svc.enable(ctx, false) // also with the computer
}

// takeOver ends a host that stands in the service's way. It holds no session.
func (in *Installer) takeOver(pid int) {
	signal(pid, syscall.SIGTERM)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if held, err := platform.LockHeld(in.Paths.HostLock()); err != nil || !held {
			return
		}
	}
}

// runsThis reports whether process pid runs the file binary as it is now.
func (in *Installer) runsThis(pid int, binary string) bool {
	mine, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return true // nobody can say
	}
	now, err := os.Stat(binary)
	return err == nil && os.SameFile(mine, now)
}

// running reads where the daemon listens that serves our folders now.
func (in *Installer) running() (info config.HostInfo, ok bool) {
	file := in.Paths.HostInfo()
	if in.System {
		file = in.Paths.SystemInfo()
	}
	if config.ReadJSON(file, &info) != nil {
		return info, false
	}
	st, err := platform.StatProcess(info.Pid)
	if held, herr := platform.LockHeld(in.Paths.HostLock()); err != nil || st.State == 'Z' || herr != nil || !held {
		return config.HostInfo{}, false
	}
	return info, true
}

// served waits until the daemon takes requests.
func (in *Installer) served(ctx context.Context, svc service, was int) (config.HostInfo, error) {
	in.note("waiting until it takes requests")
	limit := cmp.Or(in.Patience, serveTimeout)
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if info, ok := in.running(); ok && info.Pid != was && info.Port != 0 {
			return info, nil
		}
		select {
		case <-ctx.Done():
			return config.HostInfo{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return config.HostInfo{}, api.Errorf(api.CodeTimedOut, "the service was started, but took no requests within %v", limit).
		WithID("ServiceStartFailed").On(in.listen()).Hint("%s says why; then again: %s", svc.logs(), in.again("enable-psremoting"))
}

func (in *Installer) warnOfLimits(pid int) {
	conf, err := in.Paths.LoadHost()
	if err != nil {
		return
	}
	for _, s := range platform.Shortages(platform.TaskLimits(pid), conf.SessionLimit()) {
		in.Warn(fmt.Sprintf("%s is %d: about %d sessions fit in, and host.toml allows each user %d (max_sessions)", s.Name, s.Value, s.Sessions, conf.SessionLimit()))
	}
}
