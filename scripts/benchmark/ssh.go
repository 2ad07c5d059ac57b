package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sshServer is an OpenSSH server of our own, with one warm ControlMaster
// connection per cipher, and a tmux server behind it.
type sshServer struct {
	b       *bench
	dir     string
	home    string // of the shells behind it: empty, so that no start file counts
	user    string
	port    int
	env     []string    // of the shells, NAME=VALUE, beside HOME
	passwd  string      // what /etc/passwd is to the server and its shells; empty: what it is
	running []*exec.Cmd // sshd and the master connections
}

// bulkCipher is OpenSSH's fastest on machines with AES instructions.
const bulkCipher = "aes128-gcm@openssh.com"

func newSSHServer(b *bench, dir, home string) *sshServer {
	return &sshServer{b: b, dir: dir, home: home}
}

// start makes the keys, starts sshd and opens the master connections.
func (s *sshServer) start() error {
	u, err := user.Current()
	if err != nil {
		return err
	}
	s.user = u.Username
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.makeKeys(); err != nil {
		return err
	}
	if err := s.startServer(); err != nil {
		return err
	}
	for _, cipher := range []string{"", bulkCipher} {
		if err := s.startMaster(cipher); err != nil {
			return err
		}
	}
	return nil
}

func (s *sshServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshServer) makeKeys() error {
	for _, name := range []string{"host", "id"} {
		keygen := command{env: s.b.env, argv: []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.path(name)}}
		if _, err := keygen.output(s.b.ctx); err != nil {
			return err
		}
	}
	public, err := os.ReadFile(s.path("id.pub"))
	if err != nil {
		return err
	}
	return os.WriteFile(s.path("auth"), public, 0o600)
}

// startServer starts sshd on a free port of the loopback address and waits until
// it answers. sshd insists on being called by its absolute path.
func (s *sshServer) startServer() error {
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 { // its privilege separation folder
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	conf := fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
PidFile %s
SetEnv %s
PermitRootLogin yes
StrictModes no
UsePAM no
PasswordAuthentication no
PrintMotd no
PrintLastLog no
MaxSessions 200
MaxStartups 200:30:400
`, s.port, s.path("host"), s.path("auth"), s.path("pid"), strings.Join(append([]string{"HOME=" + s.home}, s.env...), " "))
	if err := os.WriteFile(s.path("sshd_config"), []byte(conf), 0o600); err != nil {
		return err
	}
	argv := []string{sshd, "-D", "-f", s.path("sshd_config"), "-E", s.path("log")}
	if s.passwd != "" {
		argv = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/passwd && exec "$@"`, s.passwd}, argv...)
	}
	if err := s.launch(argv[0], argv[1:]...); err != nil {
		return err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	err = until(s.b.ctx, 10*time.Second, func() (bool, error) {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
	if err != nil {
		log, _ := os.ReadFile(s.path("log"))
		return fmt.Errorf("sshd: %w: %s", err, log)
	}
	return nil
}

// freePort returns a port that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startMaster opens the warm connection for a cipher; "" is ssh's own choice.
func (s *sshServer) startMaster(cipher string) error {
	args := append(s.arguments(cipher), "-o", "ControlMaster=yes", "-o", "ControlPath="+s.control(cipher), "-N")
	if err := s.launch("ssh", append(args, s.user+"@127.0.0.1")...); err != nil {
		return err
	}
	check := command{env: s.b.env, argv: []string{"ssh", "-F", "none", "-S", s.control(cipher), "-O", "check", "pss"}}
	return until(s.b.ctx, 20*time.Second, func() (bool, error) {
		_, err := check.time(s.b.ctx)
		return err == nil, s.b.ctx.Err()
	})
}

// arguments are those of an ssh that logs in.
func (s *sshServer) arguments(cipher string) []string {
	args := []string{"-F", "none", "-p", strconv.Itoa(s.port), "-i", s.path("id")}
	for _, o := range s.options(cipher) {
		args = append(args, "-o", o)
	}
	return args
}

// options are what else it needs to know.
func (s *sshServer) options(cipher string) []string {
	list := []string{"IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=" + s.path("known"), "LogLevel=ERROR"}
	if cipher != "" {
		list = append(list, "Ciphers="+cipher)
	}
	return list
}

func (s *sshServer) control(cipher string) string {
	name, _, _ := strings.Cut(cipher, "@")
	return s.path("cm" + name)
}

// launch starts a process that runs until stop.
func (s *sshServer) launch(name string, args ...string) error {
	log, err := os.OpenFile(s.path("err"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.b.env, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.running = append(s.running, cmd)
	return nil
}

// stop ends tmux, the connections and sshd, the newest first.
func (s *sshServer) stop() error {
	var errs []error
	if _, err := os.Stat(s.tmuxSocket()); err == nil {
		kill := command{env: s.b.env, argv: []string{"tmux", "-S", s.tmuxSocket(), "kill-server"}}
		if _, err := kill.time(context.Background()); err != nil && !strings.Contains(err.Error(), "no server") {
			errs = append(errs, err)
		}
	}
	for i := len(s.running) - 1; i >= 0; i-- {
		cmd := s.running[i]
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ended is of no interest
		late.Stop()
	}
	s.running = nil
	return errors.Join(errs...)
}

// over runs a remote command through the warm connection.
func (s *sshServer) over(remote string, options ...string) command {
	return s.overCipher("", remote, options...)
}

func (s *sshServer) overCipher(cipher, remote string, options ...string) command {
	argv := append([]string{"ssh", "-F", "none", "-S", s.control(cipher)}, options...)
	return command{env: s.b.env, argv: append(argv, s.user+"@127.0.0.1", remote)}
}

// alone runs a remote command through a connection of its own.
func (s *sshServer) alone(remote string) command {
	argv := append([]string{"ssh"}, s.arguments("")...)
	return command{env: s.b.env, argv: append(argv, s.user+"@127.0.0.1", remote)}
}

func (s *sshServer) tmuxSocket() string { return s.path("tmux") }

// tmux is a tmux command line for the remote shell.
func (s *sshServer) tmux(args string) string {
	return "tmux -S " + s.tmuxSocket() + " -f /dev/null " + args
}

// tmuxSession makes sure that tmux has the named session.
func (s *sshServer) tmuxSession(name string) error {
	have := s.over(s.tmux("has-session -t " + name))
	if _, err := have.time(s.b.ctx); err == nil {
		return nil
	}
	_, err := s.over(s.tmux("new-session -d -s " + name + " sh")).time(s.b.ctx)
	return err
}
