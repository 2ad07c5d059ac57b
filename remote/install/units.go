package install

import (
	"strings"

	"pss/remote/planted"
)

// mark is in each file of ours, so that nobody wonders where it came from.
const mark = "# Written by pss enable-psremoting; pss disable-psremoting --purge removes it.\n"

// systemdUnit is the text of pss.service: of the system, or of a user.
func systemdUnit(argv []string, system bool) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = systemdWord(w)
	}
	killMode := "process"
	if planted.On("restart-ends-sessions") {
		killMode = "control-group"
	}
	place, target := "", "default.target"
	if system {
		target = "multi-user.target"
		place = `# Apart from other services; the sessions of each user get a scope of their own in it.
Slice=pss.slice
LimitNOFILE=1048576
# One session out of memory ends no other one.
OOMPolicy=continue
`
	}
	return mark + `# Changes belong in a file beside it: systemctl edit pss.service

[Unit]
Description=Disconnected sessions for other computers (pss host)
After=network.target nss-user-lookup.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=` + strings.Join(words, " ") + `
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
# Sessions are processes of their own: neither a stop nor a restart ends them.
KillMode=` + killMode + `
TasksMax=infinity
# What runs in a session finds its signals as in a login.
IgnoreSIGPIPE=no
` + place + `
[Install]
WantedBy=` + target + "\n"
}

// sliceUnit is the text of pss.slice.
const sliceUnit = mark + `# Limits for all sessions together belong in a file beside it: systemctl edit pss.slice

[Unit]
Description=Sessions of pss and their host

[Slice]
TasksMax=infinity
`

// systemdWord quotes a word of a command line in a unit.
func systemdWord(w string) string {
	w = strings.NewReplacer("%", "%%", "$", "$$", `\`, `\\`, `"`, `\"`).Replace(w)
	if strings.ContainsAny(w, " \t'\"\\;") || w == "" {
		return `"` + w + `"`
	}
	return w
}

// openRCScript is the text of /etc/init.d/pss.
func openRCScript(argv []string, log string) string {
	words := make([]string, len(argv)-1)
	for i, w := range argv[1:] {
		words[i] = shellWord(w)
	}
	return `#!/sbin/openrc-run
` + mark + `# Changes belong in /etc/conf.d/pss.

description="Disconnected sessions for other computers (pss host)"
supervisor="supervise-daemon"
command=` + shellWord(argv[0]) + `
command_args="` + strings.Join(words, " ") + `"
respawn_delay=1
respawn_max=0
output_log=` + shellWord(log) + `
error_log=` + shellWord(log) + `
rc_ulimit="-n 1048576"
# Sessions are processes of their own: neither a stop nor a restart ends them.
rc_cgroup_cleanup="no"
extra_started_commands="reload"

depend() {
	use net dns logger
	after firewall
}

reload() {
	ebegin "Reloading ${RC_SVCNAME}"
	supervise-daemon "${RC_SVCNAME}" --signal HUP
	eend $?
}
`
}

// shellWord quotes a word for sh, if it must be.
func shellWord(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:[]=@+,", r)
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
