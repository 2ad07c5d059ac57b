//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// SSHServers are real OpenSSH servers on this computer, each the world of one far
// computer, and what a client needs to reach them by their names.
type SSHServers struct {
	dir     string
	user    string
	servers map[string]*SSHServer
}

// SSHOptions say what a server is like.
type SSHOptions struct {
	Name string
	Home string   // its PSS_HOME
	Pss  string   // the program that is its pss, or "" for a computer that has none
	Env  []string // more of what its processes get
	Jump string   // the server through which alone its clients go

	Passphrase bool   // its key has the passphrase SSHPassphrase
	Unknown    bool   // its host key is not known yet
	Password   string // it takes this password and no key; needs root
	Banner     bool   // it greets before the login
	Noisy      bool   // its shells' start files write to both streams
}

// SSHPassphrase opens the key of a server that was started with Passphrase.
const SSHPassphrase = "open sesame"

// SSHServer is one of them.
type SSHServer struct {
	Net *SSHNet // that its clients go through

	o    SSHOptions
	dir  string
	port int // where sshd listens
	cmd  *exec.Cmd
	done chan struct{} // closed once sshd has ended
}

// sshdPath finds sshd, which stands in a folder that not everyone searches.
func sshdPath() (string, error) {
	if path, err := exec.LookPath("sshd"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/sshd")
}

// HaveSSHD reports whether servers can be started here.
func HaveSSHD() bool {
	_, server := sshdPath()
	_, client := exec.LookPath("ssh")
	_, keygen := exec.LookPath("ssh-keygen")
	return errors.Join(server, client, keygen) == nil
}

// NewSSHServers makes the client's side: its key, and a program ssh that knows the
// servers. OpenSSH would look for ~/.ssh in the home of the account, not in $HOME.
func NewSSHServers() (*SSHServers, error) {
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ssh")
	if err != nil {
		return nil, err
	}
	s := &SSHServers{dir: dir, user: u.Username, servers: map[string]*SSHServer{}}
	wrapper := fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", ssh, s.config())
	return s, errors.Join(
		os.Mkdir(s.Path(), 0o700),
		os.Mkdir(filepath.Join(dir, "servers"), 0o700),
		os.WriteFile(filepath.Join(s.Path(), "ssh"), []byte(wrapper), 0o700),
		os.WriteFile(s.config(), nil, 0o600),
		keygen(filepath.Join(dir, "id"), ""),
		keygen(filepath.Join(dir, "locked"), SSHPassphrase),
	)
}

// Path is the folder of the program ssh: it has to come first in PATH.
func (s *SSHServers) Path() string { return filepath.Join(s.dir, "bin") }

// User is the account at every server.
func (s *SSHServers) User() string { return s.user }

func (s *SSHServers) config() string { return filepath.Join(s.dir, "config") }

func (s *SSHServers) known() string { return filepath.Join(s.dir, "known_hosts") }

// HomeDir is the HOME of those who log in there; their first folder is the account's
// own home all the same.
func (s *SSHServer) HomeDir() string { return filepath.Join(s.dir, "home") }

// Port is the port at which clients find it.
func (s *SSHServer) Port() int { return s.Net.port }

func keygen(file, passphrase string) error {
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return nil
}

// Start starts a server and makes its name known to the client.
func (s *SSHServers) Start(o SSHOptions) (*SSHServer, error) {
	if s.servers[o.Name] != nil {
		return nil, fmt.Errorf("the server %s runs already", o.Name)
	}
	if o.Jump != "" && s.servers[o.Jump] == nil {
		return nil, fmt.Errorf("no server %s to go through", o.Jump)
	}
	v := &SSHServer{o: o, dir: filepath.Join(s.dir, "servers", o.Name)}
	if err := errors.Join(os.Mkdir(v.dir, 0o700), os.Mkdir(v.HomeDir(), 0o700), os.Mkdir(v.path("bin"), 0o700)); err != nil {
		return nil, err
	}
	if err := v.furnish(s.user); err != nil {
		return nil, err
	}
	if err := v.listen(s.user, filepath.Join(s.dir, s.key(o)+".pub")); err != nil {
		return nil, err
	}
	s.servers[o.Name] = v // from here on End stops it
	var err error
	if v.Net, err = newSSHNet(v.port); err != nil {
		return nil, err
	}
	return v, s.introduce(v)
}

func (s *SSHServers) key(o SSHOptions) string {
	if o.Passphrase {
		return "locked"
	}
	return "id"
}

func (v *SSHServer) path(name string) string { return filepath.Join(v.dir, name) }

// furnish writes the server's files: its key, its pss, and what greets a login.
func (v *SSHServer) furnish(user string) error {
	errs := []error{keygen(v.path("host"), "")}
	if v.o.Pss != "" {
		errs = append(errs, os.Symlink(v.o.Pss, filepath.Join(v.path("bin"), "pss")))
	}
	if v.o.Banner {
		errs = append(errs, os.WriteFile(v.path("banner"), []byte("Authorized use of "+v.o.Name+" only.\n"), 0o600))
	}
	if v.o.Noisy {
		for _, name := range []string{".bashrc", ".profile", ".zshenv"} {
			noise := fmt.Sprintf("echo 'noise of %s'\necho 'noise of %[1]s, too' >&2\n", name)
			errs = append(errs, os.WriteFile(filepath.Join(v.HomeDir(), name), []byte(noise), 0o600))
		}
	}
	if v.o.Password != "" {
		errs = append(errs, v.shadow(user))
	}
	return errors.Join(errs...)
}

// shadow writes the file that gives the account the password, for this server alone.
func (v *SSHServer) shadow(user string) error {
	if os.Geteuid() != 0 {
		return errors.New("a password needs root")
	}
	hash, err := exec.Command("perl", "-e", `print crypt($ARGV[0], q{$6$pss$})`, v.o.Password).Output()
	if err != nil {
		return err
	}
	return os.WriteFile(v.path("shadow"), fmt.Appendf(nil, "%s:%s:19000:0:99999:7:::\n", user, hash), 0o600)
}

// listen starts sshd. Another process may take the free port first: then it is
// tried again.
func (v *SSHServer) listen(user, key string) error {
	public, err := os.ReadFile(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(v.path("authorized_keys"), public, 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // its privilege separation folder
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	for range 5 {
		if err = v.try(user); err == nil || !strings.Contains(err.Error(), "already in use") {
			return err
		}
	}
	return err
}

// try starts sshd on a port that is free now, and waits until it listens.
func (v *SSHServer) try(user string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	v.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	if err := os.WriteFile(v.path("sshd_config"), []byte(v.sshdConfig(user)), 0o600); err != nil {
		return err
	}
	log, err := os.Create(v.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	sshd, err := sshdPath()
	if err != nil {
		return err
	}
	args := []string{sshd, "-D", "-e", "-f", v.path("sshd_config")} // by its absolute path: it insists on that
	if v.o.Password != "" {
		mount := `mount --bind "$0" /etc/shadow && exec "$@"`
		args = append([]string{"unshare", "--mount", "sh", "-c", mount, v.path("shadow")}, args...)
	}
	v.cmd = exec.Command(args[0], args[1:]...)
	v.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	v.cmd.Stdout, v.cmd.Stderr = log, log
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL} // tests may end by a panic
	done, started := make(chan struct{}), make(chan error)
	v.done = done
	go func() {
		// The signal comes when the thread that started sshd ends, and tests of computers
		// end threads: this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := v.cmd.Start()
		started <- err
		if err == nil {
			_ = v.cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		return err
	}
	return v.ready()
}

// ready waits until the log says that sshd listens.
func (v *SSHServer) ready() error {
	want := fmt.Sprintf("Server listening on 127.0.0.1 port %d.", v.port)
	for deadline := time.Now().Add(stepTime); ; time.Sleep(5 * time.Millisecond) {
		ended := false
		select {
		case <-v.done:
			ended = true
		default:
		}
		log, err := os.ReadFile(v.path("log"))
		if err != nil {
			return err
		}
		if bytes.Contains(log, []byte(want)) && !ended {
			return nil
		}
		if ended || time.Now().After(deadline) {
			v.stop()
			return fmt.Errorf("sshd does not listen: %s", log)
		}
	}
}

// sshdConfig is the server's. Only the first SetEnv counts, so all stands in one.
func (v *SSHServer) sshdConfig(user string) string {
	path := "/usr/bin:/bin"
	if v.o.Pss != "" {
		path = v.path("bin") + ":" + path
	}
	env := append([]string{"PSS_HOME=" + v.o.Home, "HOME=" + v.HomeDir(), "PATH=" + path}, v.o.Env...)
	var set strings.Builder
	for _, e := range env {
		set.WriteString(" " + strconv.Quote(e))
	}
	banner, methods := "none", "publickey"
	if v.o.Banner {
		banner = v.path("banner")
	}
	if v.o.Password != "" {
		methods = "password"
	}
	return fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
AuthenticationMethods %s
PidFile %s
Banner %s
SetEnv%s
AllowUsers %s
PermitRootLogin yes
PermitUserRC no
StrictModes no
UsePAM no
PrintMotd no
PrintLastLog no
MaxSessions 200
MaxStartups 200:30:400
LogLevel VERBOSE
`, v.port, v.path("host"), v.path("authorized_keys"), methods, v.path("pid"), banner, set.String(), user)
}

// introduce writes what the name means to the client.
func (s *SSHServers) introduce(v *SSHServer) error {
	methods, check := "publickey", "yes"
	if v.o.Password != "" {
		methods = "password"
	}
	if v.o.Unknown {
		check = "ask"
	}
	text := fmt.Sprintf(`Host %s
	HostKeyAlias %[1]s
	HostName 127.0.0.1
	Port %d
	User %s
	IdentityFile %s
	IdentitiesOnly yes
	PreferredAuthentications %s
	UserKnownHostsFile %s
	GlobalKnownHostsFile none
	UpdateHostKeys no
	StrictHostKeyChecking %s
`, v.o.Name, v.Port(), s.user, filepath.Join(s.dir, s.key(v.o)), methods, s.known(), check)
	if v.o.Jump != "" {
		text += "\tProxyJump " + v.o.Jump + "\n"
	}
	if err := appendTo(s.config(), text); err != nil || v.o.Unknown {
		return err
	}
	public, err := os.ReadFile(v.path("host.pub"))
	if err != nil {
		return err
	}
	return appendTo(s.known(), v.o.Name+" "+string(public))
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
