//go:build linux

package main

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// startFiles are what a login shell reads below its home.
var startFiles = []string{".profile", ".bash_profile", ".bash_login", ".bashrc", ".zshenv", ".zprofile", ".zlogin"}

// bareAccount starts the tests again in a mount namespace in which the account's
// start-up files are empty. Each host asks a login shell for PATH, and what
// somebody's own files do then is no part of a test: it differs from computer to
// computer, and takes longer than most of what is tested. The mounts of the tests
// vanish with that namespace too. Without the rights for it the tests run as they are.
func bareAccount() {
	u, err := user.Current()
	if err != nil {
		return
	}
	var full []string
	for _, name := range startFiles {
		file := filepath.Join(u.HomeDir, name)
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
			full = append(full, file)
		}
	}
	self, err := os.Executable()
	if len(full) == 0 || err != nil {
		return
	}
	runtime.LockOSThread() // the thread that is in the namespace becomes the new process
	if unix.Unshare(unix.CLONE_NEWNS) != nil || unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") != nil {
		return
	}
	for _, file := range full {
		if unix.Mount(os.DevNull, file, "", unix.MS_BIND, "") != nil {
			return
		}
	}
	_ = unix.Exec(self, os.Args, os.Environ())
}
