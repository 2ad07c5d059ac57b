//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/config"
)

// cell is a computer for the installation of a service: processes, network and the
// folders that an installation touches are its own. A stand-in plays the service manager.
type cell struct {
	t    *testing.T
	dir  string // seen by both
	root string // of its files, as we see them
	pid  string // of its first process
	user []string
	env  []string
}

// outside is an address of the cell that is not loopback: what comes from there has come
// by the network.
const outside = "10.9.9.9"

// newCell needs root and namespaces, and skips the test without them.
func newCell(t *testing.T, manager string) *cell {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		t.Skip("an installation needs root and ip")
	}
	c := &cell{t: t, dir: shortTemp(t)}
	bin := filepath.Join(c.dir, "bin")
	require.NoError(t, os.CopyFS(bin, os.DirFS(filepath.Join("..", "..", "testdata", "standin"))))
	require.NoError(t, os.Chmod(c.dir, 0o755))
	path, err := racePSS()
	require.NoError(t, err)
	require.NoError(t, os.Link(path, filepath.Join(c.dir, "pss")))
	cmd := exec.Command("unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--net", "bash", "-c", `
		set -e
		mkdir "$0/etc"; cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts "$0/etc"
		for d in /etc /var/lib /run /usr/local/bin /home /root; do mount -t tmpfs -o mode=755 tmpfs "$d"; done
		cp -a "$0/etc/." /etc; mkdir -p /etc/systemd/system /etc/init.d /home/alice /run/user/4001/systemd
		echo 'alice:x:4001:4001::/home/alice:/bin/bash' >>/etc/passwd; echo 'alice:x:4001:' >>/etc/group
		chown -R 4001:4001 /home/alice /run/user/4001
		[ -z "$1" ] || mkdir -p "/run/$1"
		ip link set lo up; ip addr add "$2/32" dev lo
		echo ready; read x`, c.dir, manager, outside)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // with its last process the cell is gone
	})
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Skipf("no namespaces: %s", errs.String())
	}
	task := strconv.Itoa(cmd.Process.Pid)
	children, err := os.ReadFile(filepath.Join("/proc", task, "task", task, "children"))
	require.NoError(t, err)
	c.pid = strings.TrimSpace(string(children))
	c.root = filepath.Join("/proc", c.pid, "root")
	c.env = []string{"PATH=" + bin + ":/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "GORACE=atexit_sleep_ms=0", "LC_ALL=C.UTF-8"}
	if f := os.Getenv("PSS_TEST_FAULT"); f != "" {
		c.env = append(c.env, "PSS_TEST_FAULT="+f)
	}
	return c
}

// as is the same computer for another user.
func (c *cell) as(uid, home string) *cell {
	d := *c
	d.user = []string{"setpriv", "--reuid=" + uid, "--regid=" + uid, "--clear-groups"}
	d.env = append(append([]string{}, c.env...), "HOME="+home)
	return &d
}

// run runs a command in the cell.
func (c *cell) run(argv ...string) result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	argv = append(append([]string{"nsenter", "-t", c.pid, "-m", "-p", "-n", "--wd=/"}, c.user...), argv...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, c.env
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("%q: %v", argv, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must is run for a command that has to succeed; it returns its output.
func (c *cell) must(argv ...string) string {
	c.t.Helper()
	r := c.run(argv...)
	require.Zero(c.t, r.code, "%q\n%s%s%s", argv, r.out, r.err, c.read("/run/standin/err"))
	return strings.TrimSpace(r.out)
}

// fails is run for a command that has to fail with this FullyQualifiedErrorId.
func (c *cell) fails(id string, argv ...string) {
	c.t.Helper()
	r := c.run(argv...)
	require.NotZero(c.t, r.code, "%q", argv)
	require.Contains(c.t, r.err, "FullyQualifiedErrorId : "+id+"\n")
	require.Contains(c.t, r.err, "RecommendedAction")
}

// read returns a file of the cell; an empty text if there is none.
func (c *cell) read(path string) string {
	data, _ := os.ReadFile(c.root + path)
	return string(data)
}

// tree lists the folders that an installation touches, without what the stand-in keeps.
func (c *cell) tree() string {
	return c.must("find", "/etc", "/var/lib", "/run", "/usr/local/bin", "/home", "/root",
		"(", "-name", "standin", "-o", "-path", "/root/.local", "-o", "-path", "/home/alice/.local/state", ")", "-prune", "-o", "-type", "f", "-printf", `%p %M %U %s\n`, "-o", "-printf", `%p %M %U\n`)
}

// installed is what Enable-PSRemoting prints.
type installed struct {
	ComputerName, Fingerprint, Service, Serves, Binary, Unit, Configuration, Command string
	Port, Pid                                                                        int
	Changes                                                                          []string
}

func (c *cell) enable(argv ...string) installed {
	c.t.Helper()
	var list []installed
	require.NoError(c.t, json.Unmarshal([]byte(c.must(append(argv, "--output", "json")...)), &list))
	require.Len(c.t, list, 1)
	return list[0]
}

// client sets up a client of the cell's host, which comes from outside and from here.
func (c *cell) client(i installed, tokenFile string) {
	c.t.Helper()
	text := ""
	for name, address := range map[string]string{"server": outside, "here": "127.0.0.1"} {
		text += "[computers." + name + "]\naddress = \"" + address + ":" + strconv.Itoa(i.Port) + "\"\nfingerprint = \"" + i.Fingerprint + "\"\ntoken_file = \"" + tokenFile + "\"\n"
	}
	home := filepath.Join(c.dir, "c")
	require.NoError(c.t, os.MkdirAll(home, 0o700))
	require.NoError(c.t, os.WriteFile(filepath.Join(home, "config.toml"), []byte(text), 0o600))
}

// pss is a cmdlet of that client.
func (c *cell) pss(args ...string) []string {
	return append([]string{"env", "PSS_HOME=" + filepath.Join(c.dir, "c"), "PSS_CLIENT_SESSION=one", filepath.Join(c.dir, "pss")}, args...)
}

// hostInfo reads what the daemon tells.
func (c *cell) hostInfo() (info config.SystemHostInfo, ok bool) {
	err := json.Unmarshal([]byte(c.read("/run/pss/host.json")), &info)
	return info, err == nil
}
