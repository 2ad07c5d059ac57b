package platform

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/windows"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("lock is held by another process")

// errUnsupported: on Windows pss is a client of remote hosts so far.
var errUnsupported = errors.New("not available on Windows yet")

// Lock is a lock on a file that its process holds until Unlock or its end.
type Lock struct{ f *os.File }

// TakeLock takes the lock of path; it fails with ErrLocked if another process holds it.
func TakeLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if err != nil {
		f.Close()
		return nil, ErrLocked
	}
	return &Lock{f}, nil
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.f.Close() }

// Gone reports whether the lock's file was deleted; an open file cannot be.
func (l *Lock) Gone() bool { return false }

// LockHeld reports whether some process holds the lock of path.
func LockHeld(path string) (bool, error) {
	l, err := TakeLock(path)
	if errors.Is(err, ErrLocked) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, l.Unlock()
}

// OwnSession does nothing yet.
func OwnSession(*exec.Cmd) {}

// EndSession ends the process; what it has started is left alone.
func EndSession(leader *os.Process, _ bool) { _ = leader.Kill() }

// Listen makes the socket path and listens on it.
func Listen(path string) (net.Listener, error) {
	_ = os.Remove(path)
	return net.Listen("unix", path)
}

// Dial connects to the socket path.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// NotListening reports whether err of Dial means that nobody listens there.
func NotListening(err error) bool {
	return errors.Is(err, windows.WSAECONNREFUSED) || errors.Is(err, os.ErrNotExist)
}

// DiskFull reports whether err means that there is no room for more data.
func DiskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

// PeerOf returns the peer of a unix socket connection; the folder's access
// list is what protects the socket here.
func PeerOf(net.Conn) (Peer, error) { return Peer{UID: os.Getuid()}, nil }

// Role is a process of ours that must not depend on whoever starts it.
type Role struct {
	Args         []string
	Stdin, Ready *os.File
	Log          string
	Env          []string
}

// ReadyFD is the descriptor on which a role tells that it is ready.
const ReadyFD = 3

// StartDetached is not available here yet.
func StartDetached(Role) (*exec.Cmd, error) { return nil, errUnsupported }

// BootID names this boot of the computer.
func BootID() string { return "unknown" }

// BootTime is a clock that nobody can set.
func BootTime() time.Duration { return windows.DurationSinceBoot() }

// MachineID names this computer.
func MachineID() string {
	h, _ := os.Hostname()
	return h
}

// StatProcess is not available here yet.
func StatProcess(int) (ProcStat, error) { return ProcStat{}, errUnsupported }

// WatchProcess is not available here yet.
func WatchProcess(int, func()) (func(), error) { return nil, errUnsupported }

// CheckOwner is left to the folder's access list here.
func CheckOwner(string) error { return nil }

// CheckPrivate is left to the folder's access list here.
func CheckPrivate(string) error { return nil }

// OthersMayRead is not told by a mode.
func OthersMayRead(os.FileInfo) bool { return false }

// FreeBytes returns how much an ordinary user may still write below dir.
func FreeBytes(dir string) (int64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	return int64(free), err
}

// InGroup does nothing more than the context does.
func InGroup(cmd *exec.Cmd, grace time.Duration) (over func()) {
	cmd.WaitDelay = grace
	return func() {}
}

func selfPath() (string, error) { return os.Executable() }

func selfForOthers() (string, error) { return os.Executable() }

// ExecutableOf fails: this system does not tell.
func ExecutableOf(int) (string, error) { return "", errors.ErrUnsupported }

// Polled returns f: Windows has no pipes that are polled.
func Polled(f *os.File) *os.File { return f }

// ConnPair is not available here yet.
func ConnPair() (*net.UnixConn, *os.File, error) { return nil, nil, errUnsupported }

// ConnOf is not available here yet.
func ConnOf(f *os.File) (*net.UnixConn, error) {
	f.Close()
	return nil, errUnsupported
}

// PassFile is not available here yet.
func PassFile(*net.UnixConn, *os.File, []byte) error { return errUnsupported }

// TakeFile reads into p; no file can come here.
func TakeFile(c *net.UnixConn, p []byte) (int, *os.File, error) {
	n, err := c.Read(p)
	return n, nil, err
}

// Notify does nothing: no service manager asks for it here.
func Notify(string) error { return nil }

// CheckTrusted is left to the file's access list here.
func CheckTrusted(string, int) error { return nil }
