//go:build linux

package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// computerInit is what the first process of a computer calls itself: this binary, in
// namespaces of its own.
const computerInit = "computer-init"

// crashFolder takes, on a computer, what processes write to a standard error that
// nobody keeps.
const crashFolder = "/run/crashes"

// initOrders is what the first process of a computer is told, as one line of its
// standard input. It serves until that input ends, with whoever holds the other end.
type initOrders struct {
	Dir   string // an empty folder, where the computer's root is put together
	Name  string
	Pss   string // this file is /usr/local/bin/pss there
	Files map[string]string
	Users []Account
}

// runComputerInit makes the computer's own mounts, says that it is ready, and reaps.
func runComputerInit() int {
	in := json.NewDecoder(os.Stdin)
	var o initOrders
	if err := in.Decode(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := o.build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // and every process of the computer ends with this one
	}()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	for {
		for pid := 1; pid > 0; {
			pid, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		<-ended
	}
}

// sharedWithMachine are the parts of the machine that a computer sees, and cannot
// change.
var sharedWithMachine = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/services", "/etc/protocols", "/etc/terminfo",
}

// build puts the root together in a file system of its own and moves there. What the
// machine has in /etc, /home, /root, /run, /tmp and /var is not there.
func (o *initOrders) build() error {
	err := errors.Join(
		unix.Sethostname([]byte(o.Name)),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", o.Dir, "tmpfs", unix.MS_NOATIME, "mode=755,size=1g"),
		o.share(),
		o.devices(),
		o.furnish(),
		os.MkdirAll(o.at("/proc"), 0o555),
		unix.Mount("proc", o.at("/proc"), "proc", 0, ""),
	)
	if err != nil {
		return err
	}
	if err := os.Chdir(o.Dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	return errors.Join(unix.Unmount(".", unix.MNT_DETACH), os.Chdir("/"))
}

// at is where a path of the computer is before it has moved there.
func (o *initOrders) at(path string) string { return filepath.Join(o.Dir, path) }

func (o *initOrders) share() error {
	for _, path := range sharedWithMachine {
		st, err := os.Lstat(path)
		if err != nil {
			continue // not every machine has all of them
		}
		if err := o.bind(path, path, st); err != nil {
			return err
		}
	}
	local := o.at("/usr/local")
	if err := unix.Mount("tmpfs", local, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("%s: %w", local, err)
	}
	st, err := os.Stat(o.Pss)
	return errors.Join(err, o.bind(o.Pss, "/usr/local/bin/pss", st))
}

// bind shows a file or folder of the machine at a path of the computer; a link is made
// anew.
func (o *initOrders) bind(path, to string, st os.FileInfo) error {
	target := o.at(to)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	switch {
	case st.Mode()&os.ModeSymlink != 0:
		link, err := os.Readlink(path)
		return errors.Join(err, os.Symlink(link, target))
	case st.IsDir():
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
	default:
		if err := os.WriteFile(target, nil, 0o600); err != nil {
			return err
		}
	}
	if err := unix.Mount(path, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// devices are few, and the terminals are the computer's own.
func (o *initOrders) devices() error {
	if err := os.MkdirAll(o.at("/dev/pts"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		file := o.at("/dev/" + name)
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, file, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", name, err)
		}
	}
	return errors.Join(
		unix.Mount("devpts", o.at("/dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666,mode=0620"),
		os.Symlink("pts/ptmx", o.at("/dev/ptmx")),
		os.Symlink("/proc/self/fd", o.at("/dev/fd")),
		os.Symlink("/proc/self/fd/0", o.at("/dev/stdin")),
		os.Symlink("/proc/self/fd/1", o.at("/dev/stdout")),
		os.Symlink("/proc/self/fd/2", o.at("/dev/stderr")),
	)
}

// furnish makes the folders and files that are the computer's own, and the users'
// homes.
func (o *initOrders) furnish() (err error) {
	for _, dir := range []struct {
		path string
		mode uint32
	}{
		{"/root", 0o700},
		{"/tmp", 0o1777},
		{"/var/tmp", 0o1777},
		{"/dev/shm", 0o1777},
		{crashFolder, 0o1777},
		{"/etc/security", 0o755},
		{"/etc/systemd/system", 0o755},
		{"/etc/init.d", 0o755},
		{"/var/lib", 0o755},
		{"/var/log", 0o755},
		{"/run/lock", 0o755},
		{"/home", 0o755},
		{"/mnt", 0o755},
		{"/sys", 0o555},
	} {
		path := o.at(dir.path)
		err = errors.Join(err, os.MkdirAll(path, 0o755), unix.Chmod(path, dir.mode))
	}
	for name, text := range o.Files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, "shadow") {
			mode = 0o600
		}
		err = errors.Join(err, os.MkdirAll(filepath.Dir(o.at(name)), 0o755), os.WriteFile(o.at(name), []byte(text), mode))
	}
	for _, u := range o.Users {
		home := o.at(u.Home)
		err = errors.Join(err, os.Mkdir(home, 0o700), os.Chown(home, u.UID, u.GID))
	}
	return err
}

// machineID is a computer's, told by its network and its number there.
func machineID(network string, number int) string {
	id := fmt.Sprintf("%016x%s", number, hex.EncodeToString([]byte(network)))
	return (id + strings.Repeat("0", 32))[:32]
}
