package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pss/config"
)

// Disable lets no more sessions be made for other computers. The daemon goes on: for its
// own computer, and for the sessions that are there.
func (in *Installer) Disable(context.Context) error {
	if _, err := os.Lstat(in.Paths.RemoteDisabled()); err == nil {
		in.note("new sessions for other computers are refused already")
		return nil
	}
	var done []string
	err := in.step(&done, "Refuse new sessions for other computers", in.Paths.RemoteDisabled(), func() error {
		if err := in.folders(); err != nil {
			return err
		}
		return config.WriteFile(in.Paths.RemoteDisabled(), []byte(time.Now().UTC().Format(time.RFC3339)+" "+in.User+"\n"))
	})
	if err != nil || len(done) == 0 {
		return err
	}
	in.Warn("the service still runs and listens: it serves this computer, and the sessions that are there; " +
		in.again("disable-psremoting --purge") + " removes it, " + in.again("enable-psremoting") + " allows new sessions again")
	return nil
}

// Purge undoes Enable. Sessions are their users', root's too, and go on.
func (in *Installer) Purge(ctx context.Context) error {
	if !in.Force {
		if ok, err := in.Ask("This takes the service away, and " + strings.Join(in.doomed(), ", ") + " with all that is in there. Go on?"); err != nil || !ok {
			return err
		}
	}
	var done []string
	rec := in.readRecord()
	if err := in.stopService(ctx, &done); err != nil {
		return err
	}
	if info, ok := in.running(); ok && in.System {
		if err := in.step(&done, "End the host", fmt.Sprintf("process %d", info.Pid), func() error { in.takeOver(info.Pid); return nil }); err != nil {
			return err
		}
	}
	if err := in.removeFiles(ctx, &done, rec); err != nil {
		return err
	}
	if n := sessionHosts(); in.System && n > 0 {
		in.note("%d session hosts go on: their sessions are their users' to remove", n)
	}
	return nil
}

// stopService takes the service from its manager.
func (in *Installer) stopService(ctx context.Context, done *[]string) error {
	svc := in.service()
	if svc == nil {
		return nil
	}
	files := svc.files([]string{"pss"})
	if _, err := os.Lstat(files[0].path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := in.step(done, "Stop the service", files[0].path, func() error { return svc.stop(ctx) }); err != nil {
		return err
	}
	for _, f := range files {
		if err := in.step(done, "Remove", f.path, func() error { return removeFile(f.path) }); err != nil {
			return err
		}
	}
	if !in.System {
		_ = os.Remove(filepath.Dir(files[0].path)) // if it is empty, it was made for us
	}
	return svc.forget(ctx)
}

// doomed are the folders and files that go.
func (in *Installer) doomed() []string {
	if in.System {
		return []string{in.Paths.Config, in.Paths.State, in.Paths.Runtime}
	}
	return []string{in.Paths.HostFile()}
}

// removeFiles removes what Enable made. Of a user only what cannot be anything else: the
// folders hold the user's own sessions and settings.
func (in *Installer) removeFiles(ctx context.Context, done *[]string, rec *record) error {
	remove := func(path string, how func(string) error) error {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return in.step(done, "Remove", path, func() error { return how(path) })
	}
	if rec.Lingering {
		if err := in.step(done, "Disable lingering", in.User, func() error { return in.unlinger(ctx) }); err != nil {
			return err
		}
	}
	if rec.Binary != "" {
		if err := remove(rec.Binary, removeFile); err != nil {
			return err
		}
	}
	if in.System {
		for _, dir := range in.doomed() {
			if err := remove(dir, os.RemoveAll); err != nil {
				return err
			}
		}
		return nil
	}
	if data, err := os.ReadFile(in.Paths.HostFile()); err == nil && rec.HostFile != "" && string(data) == rec.HostFile {
		if err := remove(in.Paths.HostFile(), removeFile); err != nil {
			return err
		}
	}
	for _, path := range []string{in.Paths.RemoteDisabled(), in.Paths.InstallRecord()} {
		if err := remove(path, removeFile); err != nil {
			return err
		}
	}
	return nil
}

// sessionHosts counts the session hosts of all users.
func sessionHosts() (n int) {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err == nil && strings.TrimSpace(string(comm)) == "pss-session" {
			n++
		}
	}
	return n
}

// signal sends a signal to a process, if it is still there.
func signal(pid int, sig os.Signal) {
	if p, err := os.FindProcess(pid); err == nil && pid > 1 {
		_ = p.Signal(sig)
	}
}
