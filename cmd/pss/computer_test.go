//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Net is a network of computers that are namespaces of this machine: each has its own
// address, name, users, processes, terminals and file system. The cables meet in a
// namespace of their own, so nothing of it is seen in the machine's own network.
type Net struct {
	dir       string
	hub       *os.File // the namespace where the bridge is; gone once it is closed
	uids      int      // the next user's
	computers []*Computer
}

// ComputerOptions say what a computer is like.
type ComputerOptions struct {
	Name   string              // of at most 15 characters: its cable is called so
	Users  []string            // with folders, and a group of their own each
	Groups map[string][]string // and who is in them
	Pss    string              // the program that is its pss, or "" for the tests' own
}

// Account is a user of a computer.
type Account struct {
	Name     string
	UID, GID int
	Groups   []uint32 // all of them
	Home     string
	Shell    string
}

// Computer is one of a Net's.
type Computer struct {
	Name    string
	Address string

	net      *Net
	users    map[string]Account
	first    *exec.Cmd // its first process; all others end with it
	stay     io.Closer // it lives as long as this is open
	fd       int       // of the first process: its namespaces
	pidSpace string    // the name of its process namespace
}

// firstUID is where the users of the tests begin: limits and keys are counted for each
// number, so two networks share none.
var firstUID atomic.Int64

// HaveComputers reports whether computers can be made here.
func HaveComputers() bool {
	_, ip := exec.LookPath("ip")
	_, nsenter := exec.LookPath("nsenter")
	return os.Geteuid() == 0 && ip == nil && nsenter == nil && canBridge()
}

// canBridge reports whether the kernel lets us have namespaces and a bridge in one.
var canBridge = sync.OnceValue(func() bool {
	n, err := NewNet()
	if err != nil {
		return false
	}
	return len(n.End()) == 0
})

// NewNet makes a network without computers.
func NewNet() (*Net, error) {
	dir, err := os.MkdirTemp("", "psnet")
	if err != nil {
		return nil, err
	}
	n := &Net{dir: dir, uids: 20000 + os.Getpid()%1000*1000 + int(firstUID.Add(20))}
	err = elsewhere(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		n.hub, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		return err
	})
	if err == nil {
		err = n.ip("link add hub type bridge", "link set hub up")
	}
	if err != nil {
		n.End()
		return nil, err
	}
	return n, nil
}

// elsewhere calls f on a thread that it may move to other namespaces: the thread ends
// with it.
func elsewhere(f func() error) error {
	over := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		over <- f()
	}()
	return <-over
}

// ip runs commands of ip in the namespace of the bridge.
func (n *Net) ip(commands ...string) error {
	return ipIn(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.hub.Fd()), commands)
}

func ipIn(space string, commands []string) error {
	cmd := exec.Command("nsenter", "--net="+space, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

// Computer makes one, and plugs it in.
func (n *Net) Computer(o ComputerOptions) (*Computer, error) {
	number := len(n.computers) + 1
	c := &Computer{
		Name: o.Name, Address: fmt.Sprintf("10.0.0.%d", number), fd: -1,
		net: n, users: map[string]Account{"root": {Name: "root", Groups: []uint32{0}, Home: "/root", Shell: "/bin/bash"}},
	}
	if n.Named(o.Name) != nil {
		return nil, fmt.Errorf("there is a computer %s already", o.Name)
	}
	orders := initOrders{Dir: filepath.Join(n.dir, o.Name), Name: o.Name, Pss: o.Pss}
	if orders.Pss == "" {
		var err error
		if orders.Pss, err = ScriptedPSS(); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(orders.Dir, 0o700); err != nil {
		return nil, err
	}
	orders.Users = n.accounts(o)
	for _, u := range orders.Users {
		c.users[u.Name] = u
	}
	orders.Files = accountFiles(orders.Users, o.Groups)
	orders.Files["/etc/machine-id"] = machineID(filepath.Base(n.dir), number) + "\n"
	orders.Files["/etc/hostname"] = o.Name + "\n"
	n.computers = append(n.computers, c) // from here on End stops it
	ready, err := c.begin(orders)
	if err != nil {
		return nil, err
	}
	err = n.ip(fmt.Sprintf("link add %s type veth peer name eth0 netns %d", o.Name, c.first.Process.Pid),
		fmt.Sprintf("link set %s master hub up", o.Name))
	if err == nil {
		err = ipIn(fmt.Sprintf("/proc/%d/ns/net", c.first.Process.Pid),
			[]string{"link set lo up", "addr add " + c.Address + "/24 dev eth0", "link set eth0 up"})
	}
	if err := errors.Join(err, <-ready); err != nil {
		return nil, fmt.Errorf("computer %s: %w", o.Name, err)
	}
	return c, n.introduce()
}

// begin starts the first process; what comes is nil when the computer is complete.
func (c *Computer) begin(o initOrders) (ready <-chan error, err error) {
	var errs bytes.Buffer
	c.first = exec.Command("/proc/self/exe")
	c.first.Args = []string{computerInit}
	c.first.Env = []string{"GORACE=" + raceOptions}
	c.first.Stderr = &errs
	c.first.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID,
	}
	in, err := c.first.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.first.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.first.Start(); err != nil {
		return nil, err
	}
	c.stay = in
	if c.pidSpace, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.first.Process.Pid)); err != nil {
		return nil, err
	}
	if c.fd, err = unix.PidfdOpen(c.first.Process.Pid, 0); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(in).Encode(&o); err != nil {
		return nil, err
	}
	said := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		if line != "ready\n" {
			_ = c.first.Process.Kill()
			_ = c.first.Wait()
			err = fmt.Errorf("%w: %s", err, errs.String())
		}
		said <- err
	}()
	return said, nil
}

// Named returns the computer of that name, or nil.
func (n *Net) Named(name string) *Computer {
	for _, c := range n.computers {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// introduce writes on each computer who the others are.
func (n *Net) introduce() error {
	text := "127.0.0.1 localhost\n"
	for _, c := range n.computers {
		text += c.Address + " " + c.Name + "\n"
	}
	for _, c := range n.computers {
		if err := os.WriteFile(c.Path("/etc/hosts"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Path is where we find a file of the computer. Its links are followed as ours are.
func (c *Computer) Path(path string) string {
	return fmt.Sprintf("/proc/%d/root%s", c.first.Process.Pid, path)
}

// User returns an account of the computer.
func (c *Computer) User(name string) (Account, bool) {
	u, ok := c.users[name]
	return u, ok
}

// Cut pulls the computer's cable: nothing comes through, and nothing says so.
func (c *Computer) Cut() error { return c.net.ip("link set " + c.Name + " down") }

// Restore plugs it in again.
func (c *Computer) Restore() error { return c.net.ip("link set " + c.Name + " up") }

// End ends all computers with every process on them, and returns what is wrong: a data
// race or a crash that stands in a log, or a process that is left.
func (n *Net) End() (bad []string) {
	for _, c := range n.computers {
		bad = append(bad, c.end()...)
	}
	if n.hub != nil {
		n.hub.Close()
	}
	if err := os.RemoveAll(n.dir); err != nil {
		bad = append(bad, err.Error())
	}
	return bad
}

func (c *Computer) end() (bad []string) {
	if c.stay == nil {
		return nil
	}
	bad = c.troubles()
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	_ = c.first.Process.Kill()
	_ = c.first.Wait() // when its first process has gone, the kernel has ended all others
	c.stay.Close()
	for _, pid := range Pids() {
		if space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && space == c.pidSpace {
			bad = append(bad, fmt.Sprintf("process %d outlives its computer %s", pid, c.Name))
		}
	}
	return bad
}

// troubles are what logs must not hold.
func (c *Computer) troubles() (bad []string) {
	for _, dir := range []string{"/root", "/home", "/var/lib", "/var/log", "/run", "/tmp"} {
		_ = filepath.WalkDir(c.Path(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || d.Name() != "log" && !strings.HasPrefix(path, c.Path(crashFolder)) {
				return nil
			}
			if text, err := os.ReadFile(path); err == nil && trouble.Match(text) {
				bad = append(bad, c.Name+": "+path+":\n"+string(text))
			}
			return nil
		})
	}
	return bad
}

// accounts numbers the users that the computer is to have. A user has the same number
// on all computers of a network.
func (n *Net) accounts(o ComputerOptions) (all []Account) {
	for _, name := range o.Users {
		u := Account{Name: name, UID: 0, Home: "/home/" + name, Shell: "/bin/bash"}
		for _, c := range n.computers {
			if known, ok := c.users[name]; ok {
				u.UID = known.UID
			}
		}
		if u.UID == 0 {
			n.uids++
			u.UID = n.uids
		}
		u.GID = u.UID
		u.Groups = []uint32{uint32(u.GID)}
		for i, group := range sortedKeys(o.Groups) {
			if slices.Contains(o.Groups[group], name) {
				u.Groups = append(u.Groups, uint32(firstGroup+i))
			}
		}
		all = append(all, u)
	}
	return all
}
