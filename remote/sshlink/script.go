package sshlink

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pss/remote/api"
)

// find is the shell text that starts the far end: the copy that equals this binary, a
// pss that is installed, or any other copy. It goes to whatever login shell the user
// has, between single quotes: so it has none itself, no backslash, exclamation mark or
// line end. What it says to us are single words behind the mark.
const find = `c="${XDG_CACHE_HOME:-$HOME/.cache}/pss"; ` +
	`t() { [ -f "$1" ] && [ -x "$1" ] && exec "$1" host --stdio --hello $n --heartbeat $b; }; ` +
	`say() { echo "` + mark + `$n $* $(uname -s) $(uname -m)"; }; ` +
	`for p in "$c"/pss-*-$h; do t "$p"; done; `

// orOther goes on where this binary itself is not there, unless no other one is wanted.
const orOther = `if [ $o = 1 ]; then for p in "$(command -v pss)" "$HOME/.local/bin/pss" "$HOME/bin/pss" "$HOME/go/bin/pss" ` +
	`/usr/local/bin/pss /opt/homebrew/bin/pss "$c"/pss-"$(uname -s)-$(uname -m)"-*; do t "$p"; done; fi; say missing; `

// orTake goes on with a copy that comes on standard input, where a line says that and
// how long it is. It gets its name when it has told its own checksum.
const orTake = `read a l && [ "$a" = copy ] || exit 0; umask 077; mkdir -p "$c"; ` +
	`f="$c/pss-$(uname -s)-$(uname -m)-$h"; p="$f.$$"; trap "rm -f $p" 0 1 2 13 15; ` +
	`if head -c $l >"$p" && [ $(wc -c <"$p") -eq $l ] && chmod 700 "$p" && [ "$("$p" checksum)" = $h ] && mv -f "$p" "$f"; then t "$f"; fi; say failed`

// script is the command line for the far side. others says that a pss which is not this
// one will do.
func script(nonce string, heartbeat time.Duration, sum string, others bool) string {
	o := 0
	if others {
		o = 1
	}
	return fmt.Sprintf("exec sh -c 'n=%s b=%s h=%s o=%d; %s'", nonce, heartbeat, sum, o, find+orOther+orTake)
}

// parseHello reads what stands behind the mark: JSON of a pss, or the words of the
// script.
func parseHello(text []byte) (h hello, err error) {
	if bytes.HasPrefix(text, []byte("{")) {
		return h, json.Unmarshal(text, &h)
	}
	f := strings.Fields(string(text))
	if len(f) > 2 {
		h.System, h.Machine = f[len(f)-2], f[len(f)-1]
	}
	switch {
	case len(f) > 0 && f[0] == "missing":
		h.Missing = true
	case len(f) > 0 && f[0] == "failed":
		h.Failed = true
	default:
		err = fmt.Errorf("the far side said %q", text)
	}
	return h, err
}

// arguments is the command line of ssh. What the protocol needs comes first: of an
// option that is given twice, ssh takes the first. What we only would like comes behind
// what the caller says.
//
// This ssh shares a connection that the user has opened, and never opens one to share:
// others would lose it when we end. alone says that it shares none.
func arguments(t api.SSHTarget, remote string, heartbeat time.Duration, alone bool) []string {
	return append(connecting(t, heartbeat, alone), "--", t.Host, remote)
}

// checking is the command line that asks the connection which the user has opened to be
// shared, whether it lives; it ends at once where there is none.
func checking(t api.SSHTarget, heartbeat time.Duration) []string {
	return append(connecting(t, heartbeat, false), "-O", "check", "--", t.Host)
}

// connecting are the options of both.
func connecting(t api.SSHTarget, heartbeat time.Duration, alone bool) []string {
	argv := []string{"-T", "-x", "-a", "-e", "none", "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes", "-o", "ControlMaster=no"}
	if alone {
		argv = append(argv, "-S", "none")
	}
	for _, o := range t.Options {
		argv = append(argv, "-o", o)
	}
	if t.KeyFile != "" {
		argv = append(argv, "-i", t.KeyFile)
	}
	if t.Port != 0 {
		argv = append(argv, "-p", strconv.Itoa(t.Port))
	}
	if t.User != "" {
		argv = append(argv, "-l", t.User)
	}
	// An ssh whose agent was killed notices a dead network by itself.
	alive := max(1, (heartbeat+time.Second-1)/time.Second)
	return append(argv, "-o", fmt.Sprintf("ServerAliveInterval=%d", alive), "-o", "ServerAliveCountMax=3")
}

// builds maps what uname says to the names of Go's builds.
var builds = map[string]string{
	"Linux": "linux", "Darwin": "darwin", "FreeBSD": "freebsd", "OpenBSD": "openbsd", "NetBSD": "netbsd",
	"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv6l": "arm", "armv7l": "arm",
	"i386": "386", "i686": "386", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x", "loongarch64": "loong64",
}

// buildFor names the build that the far side needs: GOOS/GOARCH.
func buildFor(h hello) string {
	return cmp.Or(builds[h.System], strings.ToLower(h.System)) + "/" + cmp.Or(builds[h.Machine], h.Machine)
}
