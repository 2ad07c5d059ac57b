package host

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"pss/remote/platform"
)

const (
	// profileTimeout bounds how long a user's profile may take to tell PATH.
	profileTimeout = 5 * time.Second
	defaultPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// loginEnvironment is the environment of a fresh login of the host's own user:
// never that of whoever happened to start the host.
func loginEnvironment(ctx context.Context, log *slog.Logger) []string {
	name, home := "", "/"
	if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
		name, home = u.Username, u.HomeDir
	}
	shell := loginShell(name)
	env := []string{"HOME=" + home, "USER=" + name, "LOGNAME=" + name, "SHELL=" + shell}
	if h := os.Getenv("PSS_HOME"); h != "" {
		env = append(env, "PSS_HOME="+h)
	}
	return append(env, "PATH="+loginPath(ctx, shell, env, log))
}

// loginPath asks the user's login shell for PATH.
func loginPath(ctx context.Context, shell string, env []string, log *slog.Logger) string {
	ctx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	const mark = "\x1fPATH="
	cmd := exec.CommandContext(ctx, shell, "-lc", `printf '\037PATH=%s\n' "$PATH"`)
	cmd.Env = append(append([]string(nil), env...), "PATH="+defaultPath)
	cmd.Dir = "/"
	// A profile that is given up must not leave its programs' locks behind.
	over := platform.InGroup(cmd, time.Second)
	out, err := cmd.Output()
	over()
	if _, path, ok := bytes.Cut(out, []byte(mark)); ok {
		path, _, _ = bytes.Cut(path, []byte("\n"))
		if len(path) > 0 {
			return string(path)
		}
	}
	log.Warn("the login shell did not tell PATH", "shell", shell, "error", err)
	return defaultPath
}

// loginShell reads the user's shell, which os/user does not tell.
func loginShell(name string) string {
	data, err := os.ReadFile("/etc/passwd")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) == 7 && f[0] == name && f[6] != "" && !strings.HasSuffix(f[6], "nologin") && !strings.HasSuffix(f[6], "false") {
				return f[6]
			}
		}
	}
	return "/bin/sh"
}

// folderOf returns the HOME of an environment.
func folderOf(env []string) string {
	for _, v := range env {
		if h, ok := strings.CutPrefix(v, "HOME="); ok {
			return h
		}
	}
	return "/"
}

// withVariables returns env with the given variables set, in a stable order.
func withVariables(env []string, sets ...map[string]string) []string {
	out := append([]string(nil), env...)
	for _, set := range sets {
		for _, k := range slices.Sorted(maps.Keys(set)) {
			out = setVariable(out, k, set[k])
		}
	}
	return out
}

func setVariable(env []string, name, value string) []string {
	for i, v := range env {
		if strings.HasPrefix(v, name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}
