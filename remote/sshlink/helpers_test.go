//go:build unix

package sshlink

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain makes the test binary the pss of the far side when it is called so: a Relay
// to the socket that its environment names.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "pss" {
		flag.Parse()
		if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
			_ = f.Value.Set("8") // the tests mostly wait
		}
		os.Exit(m.Run())
	}
	hello := flag.String("hello", "", "")
	heartbeat := flag.Duration("heartbeat", 0, "")
	flag.Bool("stdio", false, "")
	_ = flag.CommandLine.Parse(os.Args[2:])
	r := &Relay{In: os.Stdin, Out: os.Stdout, Hello: *hello, Heartbeat: *heartbeat, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", os.Getenv("LC_MESSAGES"))
	}}
	if r.Run(context.Background()) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// far is a computer behind a program ssh that only starts what it is told, and the
// host there.
type far struct {
	t    *testing.T
	dir  string
	host net.Listener
	link *Link
	made atomic.Int32 // connections to the host
}

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// newFar makes a computer whose host treats each connection as serve says, and a link to
// it. before is what its ssh does first.
func newFar(t *testing.T, heartbeat time.Duration, before string, serve func(*net.UnixConn)) *far {
	t.Helper()
	f := &far{t: t, dir: t.TempDir()}
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(f.dir, "pss")))
	f.ssh(before)
	f.host, err = net.Listen("unix", filepath.Join(f.dir, "s"))
	require.NoError(t, err)
	go func() {
		for {
			c, err := f.host.Accept()
			if err != nil {
				return
			}
			f.made.Add(1)
			go func() {
				defer c.Close()
				serve(c.(*net.UnixConn))
			}()
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	f.link = NewLink(ctx, Settings{Name: "far", Connect: patience, Idle: time.Minute, Heartbeat: heartbeat})
	t.Cleanup(func() {
		cancel()
		f.host.Close()
		for _, pid := range f.pids() {
			f.eventually("ssh has ended", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
		}
	})
	return f
}

// ssh writes the program. It notes its process and keeps it.
func (f *far) ssh(before string) {
	text := "#!/bin/sh\necho $$ >>" + f.dir + "/pids\nfor far; do :; done\n" + before + "\neval \"$far\"\n"
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, "ssh"), []byte(text), 0o700))
}

// pids are those of all ssh that were started.
func (f *far) pids() (pids []int) {
	data, err := os.ReadFile(filepath.Join(f.dir, "pids"))
	if err != nil {
		return nil
	}
	for _, word := range strings.Fields(string(data)) {
		n := 0
		for _, digit := range word {
			n = 10*n + int(digit-'0')
		}
		pids = append(pids, n)
	}
	return pids
}

func (f *far) caller() *Caller {
	return &Caller{Env: []string{"PATH=" + f.dir + ":/usr/bin:/bin", "HOME=" + f.dir, "LC_MESSAGES=" + filepath.Join(f.dir, "s"), "GORACE=atexit_sleep_ms=0"}}
}

func (f *far) dial() net.Conn {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := f.link.Dial(ctx, f.caller())
	require.NoError(f.t, err)
	f.t.Cleanup(func() { c.Close() })
	return c
}

func (f *far) eventually(what string, ok func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(f.t, "not reached: "+what)
		}
	}
}

func echo(c *net.UnixConn) {
	_, _ = io.Copy(onlyWriter{c}, onlyReader{c})
	_ = c.CloseWrite()
}

// talk sends text and demands it back.
func (f *far) talk(c net.Conn, text string) {
	f.t.Helper()
	require.NoError(f.t, c.SetDeadline(time.Now().Add(patience)))
	_, err := io.WriteString(c, text)
	require.NoError(f.t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(c, got)
	require.NoError(f.t, err)
	require.True(f.t, bytes.Equal([]byte(text), got))
}

func writeEmpty(file string) error { return os.WriteFile(file, nil, 0o600) }
