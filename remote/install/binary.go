package install

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pss/remote/api"
	"pss/remote/planted"
	"pss/remote/platform"
)

// home is where a binary is installed that lies where it cannot stay.
func (in *Installer) home() string {
	if in.System {
		return in.at("/usr/local/bin/pss")
	}
	return filepath.Join(in.UserHome, ".local", "bin", "pss")
}

// binary returns the path that the service runs. The one that runs now is used where it
// lies, unless others could replace it there, or it would vanish: then it is copied.
func (in *Installer) binary(done *[]string, rec *record) (string, error) {
	if in.Binary != "" {
		path, err := filepath.Abs(in.Binary)
		if err != nil {
			return "", err
		}
		if why := in.unsafe(path); why != "" {
			return "", api.Errorf(api.CodeInvalidArgument, "the service cannot run %s: %s", path, why).WithID("UnsafeBinary").On(path).
				Hint("leave --binary out, and pss is installed as %s", in.home())
		}
		return path, nil
	}
	self, err := in.Self()
	if err != nil {
		return "", err
	}
	if self == in.home() || in.unsafe(self) == "" {
		return self, nil
	}
	to := in.home()
	switch same, err := isSelf(to); {
	case same:
		return to, nil
	case err == nil && rec.Binary != to && !in.Force:
		return "", api.Errorf(api.CodeInvalidArgument, "%s is another program, or another pss", to).WithID("BinaryExists").On(to).
			Hint("run that one (%s), or replace it with this one: %s --force", to, in.again("enable-psremoting"))
	}
	_, err = os.Lstat(to)
	missing := errors.Is(err, fs.ErrNotExist)
	return to, in.step(done, "Install the binary", to, func() error {
		if err := installSelf(to); err != nil {
			return err
		}
		if missing {
			rec.Binary = to
		}
		return in.writeRecord(rec)
	})
}

// unsafe says why path cannot be what a service runs: somebody else could replace it, or
// it is gone tomorrow. Empty: it can.
func (in *Installer) unsafe(path string) string {
	if planted.On("unsafe-binary-taken") {
		return ""
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err.Error()
	}
	if st, err := os.Stat(real); err != nil || !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0 {
		return "it is no program"
	}
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/proc", os.TempDir()} {
		if strings.HasPrefix(real, filepath.Clean(dir)+"/") {
			return "it lies in a temporary folder"
		}
	}
	// Whoever may write to a folder on the way can put another file there.
	for p := real; ; p = filepath.Dir(p) {
		if err := platform.CheckTrusted(p, in.UID); err != nil {
			return err.Error()
		}
		if st, err := os.Stat(p); in.System && err == nil && st.Mode().Perm()&0o001 == 0 {
			return "not every user can run it there"
		}
		if p == filepath.Dir(p) {
			return ""
		}
	}
}

// isSelf reports whether path has the contents of the binary that runs now; it fails
// where there is no such file.
func isSelf(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	self, err := platform.OpenSelf()
	if err != nil {
		return false, err
	}
	defer self.Close()
	a, b := sha256.New(), sha256.New()
	if _, err := io.Copy(a, f); err != nil {
		return false, err
	}
	_, err = io.Copy(b, self)
	return err == nil && bytes.Equal(a.Sum(nil), b.Sum(nil)), err
}

// installSelf makes path the binary that runs now, in one step.
func installSelf(path string) error {
	self, err := platform.OpenSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	data, err := io.ReadAll(self)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace(path, data, 0o755)
}

// replace makes path a file with these contents and this mode in one step, for good.
func replace(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".pss-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	for _, do := range []func() error{func() error { return f.Chmod(mode) }, f.Sync, f.Close} {
		if err == nil {
			err = do()
		}
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
