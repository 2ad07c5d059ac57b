package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is what a process of another user finds its programs by, until a login
// shell says more.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// BecomeCommand is the hidden role in which StartAs begins.
const BecomeCommand = "become"

// StartAs starts this very binary as another user: with that user's groups and limits,
// in a control group of that user's where there are some, and with nothing of our
// environment. r's Log is not opened, and Ready becomes descriptor 3. It needs root. That
// the user could not be taken on shows in the end of the process.
func StartAs(r Role, as As) (*exec.Cmd, error) {
	cmd, err := commandAs(r, as)
	if err != nil {
		return nil, err
	}
	started := InUserScope(cmd, int(as.UID), as.Tasks)
	closeOnExecFrom(3)
	err = cmd.Start()
	started()
	if err != nil && cmd.SysProcAttr.UseCgroupFD { // the group takes no processes: they stay where we are
		if cmd, err = commandAs(r, as); err == nil {
			err = cmd.Start()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start pss as user %d: %w", as.UID, err)
	}
	return cmd, nil
}

func commandAs(r Role, as As) (*exec.Cmd, error) {
	self, err := selfForOthers() // another program may start it
	if err != nil {
		return nil, err
	}
	who, err := json.Marshal(as)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{BecomeCommand, string(who)}, r.Args...)...)
	bare(cmd, append([]string{"PATH=" + defaultPath}, r.Env...)...)
	cmd.Stdin = r.Stdin
	if r.Ready != nil {
		cmd.ExtraFiles = []*os.File{r.Ready}
	}
	return cmd, nil
}

// Become is the role of BecomeCommand: it makes this process the user's that args[0]
// says, and then pss with the other arguments. It returns only if that fails.
//
// Limits are set here, on the way, because the kernel lets one process set another
// user's only with a privilege that root often lacks in a container. One that is above
// our own is cut to it.
func Become(args []string) error {
	var as As
	if len(args) < 2 || json.Unmarshal([]byte(args[0]), &as) != nil {
		return errors.New("nobody to become")
	}
	for _, l := range as.Limits {
		want := unix.Rlimit{Cur: l.Soft, Max: l.Hard}
		var own unix.Rlimit
		if unix.Setrlimit(l.Resource, &want) == nil || unix.Getrlimit(l.Resource, &own) != nil {
			continue
		}
		want.Max = min(want.Max, own.Max)
		want.Cur = min(want.Cur, want.Max)
		if err := unix.Setrlimit(l.Resource, &want); err != nil {
			return fmt.Errorf("limit %d: %w", l.Resource, err)
		}
	}
	groups := make([]int, len(as.Groups))
	for i, g := range as.Groups {
		groups[i] = int(g)
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(int(as.GID)), syscall.Setuid(int(as.UID))); err != nil {
		return fmt.Errorf("become user %d: %w", as.UID, err)
	}
	if os.Geteuid() != int(as.UID) || os.Getegid() != int(as.GID) {
		return fmt.Errorf("this process did not become user %d", as.UID)
	}
	self, err := selfPath()
	if err != nil {
		return err
	}
	return syscall.Exec(self, append([]string{"pss"}, args[1:]...), os.Environ())
}

// LikeALogin gives a process that StartAs started what else a login brings: a session
// keyring of its own, and the usual mask of new files. What the system lacks is left out.
func LikeALogin() {
	unix.Umask(0o022)
	if _, err := unix.KeyctlJoinSessionKeyring(""); err != nil {
		return // no keyrings here
	}
	_, _ = unix.KeyctlInt(unix.KEYCTL_LINK, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_SESSION_KEYRING, 0, 0)
}

// Conceal keeps other processes of our own user from looking into this one.
func Conceal() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
