//go:build unix

package sshlink

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// sshd hands the command line to whatever shell the user has: it is one word for each of
// them, and means the same.
func TestScriptInEveryShell(t *testing.T) {
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "fish", "csh", "tcsh", "ksh", "mksh", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("not installed")
			}
			home, bin := filepath.Join(t.TempDir(), "a home"), t.TempDir()
			require.NoError(t, os.Mkdir(home, 0o700))
			run := func(env ...string) string {
				args := []string{"-c", script("abc", 1500*time.Millisecond, "5e5e", true)}
				if shell == "busybox" {
					args = slices.Insert(args, 0, "sh")
				}
				cmd := exec.Command(path, args...)
				cmd.Env = append([]string{"HOME=" + home, "PATH=" + bin + ":/usr/bin:/bin"}, env...)
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				return string(out)
			}
			install := func(file, says string) {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
				require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\necho "+says+": $*\n"), 0o700))
			}
			found := func(who string) string { return who + ": host --stdio --hello abc --heartbeat 1.5s\n" }
			uname, err := exec.Command("sh", "-c", `echo "$(uname -s) $(uname -m)"`).Output()
			require.NoError(t, err)
			require.Equal(t, "pss-ssh abc missing "+string(uname), run())
			system := strings.ReplaceAll(strings.TrimSpace(string(uname)), " ", "-")

			install(filepath.Join(home, ".cache", "pss", "pss-"+system+"-0000"), "other copy")
			require.Equal(t, found("other copy"), run())
			install(filepath.Join(home, "bin", "pss"), "home")
			require.Equal(t, found("home"), run())
			install(filepath.Join(bin, "pss"), "path")
			require.Equal(t, found("path"), run())
			install(filepath.Join(home, ".cache", "pss", "pss-"+system+"-5e5e"), "this one")
			require.Equal(t, found("this one"), run())
			require.Equal(t, found("path"), run("XDG_CACHE_HOME="+filepath.Join(home, "no such")))
			// One that cannot be run is no pss.
			require.NoError(t, os.Chmod(filepath.Join(home, ".cache", "pss", "pss-"+system+"-5e5e"), 0o600))
			require.Equal(t, found("path"), run())
		})
	}
}

func TestArguments(t *testing.T) {
	fixed := "-T -x -a -e none -o RemoteCommand=none -o ClearAllForwardings=yes -o ControlMaster=no"
	for want, got := range map[string][]string{
		fixed + " -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -- server01 far":        arguments(api.SSHTarget{Host: "server01"}, "far", 10*time.Second, false),
		fixed + " -S none -o ServerAliveInterval=1 -o ServerAliveCountMax=3 -- server01 far": arguments(api.SSHTarget{Host: "server01"}, "far", 300*time.Millisecond, true),
		fixed + " -o A=b -o C=d -i /k -p 22 -l ops -o ServerAliveInterval=2 -o ServerAliveCountMax=3 -- ::1 far": arguments(
			api.SSHTarget{User: "ops", Host: "::1", Port: 22, KeyFile: "/k", Options: []string{"A=b", "C=d"}}, "far", 1500*time.Millisecond, false),
	} {
		require.Equal(t, want, strings.Join(got, " "))
	}
}
