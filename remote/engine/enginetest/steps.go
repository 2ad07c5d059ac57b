//go:build unix

package enginetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

// anything matches every text.
const anything = "\x00"

// step is one command of a session and what it must give. A text that begins with
// ~ must be contained, otherwise it must be equal.
type step struct {
	script         string
	out, err, warn string
	code           int
}

func match(t *testing.T, want, got, what string, st step) {
	t.Helper()
	switch {
	case want == anything:
	case strings.HasPrefix(want, "~"):
		require.Contains(t, got, want[1:], "%s of %q", what, st.script)
	default:
		require.Equal(t, want, got, "%s of %q", what, st.script)
	}
}

// sequence is a named list of steps in one session.
type sequence struct {
	name  string
	only  string // "bash": the bash engine; "posix": the sh engine; "": both
	env   []string
	steps []step
}

const restarted = "~started again"

// lossy is what the sequences say where a shell that is not bash loses functions.
const lossy = "LOSSY"

func (s *suite) testSteps(t *testing.T) {
	for _, q := range sequences {
		if q.only == "bash" && s.engine.Name() != "bash" || q.only == "posix" && s.engine.Name() == "bash" {
			continue
		}
		t.Run(q.name, func(t *testing.T) {
			ss := s.open(t, q.env...)
			for _, st := range q.steps {
				o := ss.run(strings.ReplaceAll(st.script, "@WORK@", ss.work))
				require.Equal(t, api.OutcomeExited, o.Outcome, "%q: %v", st.script, o.Err)
				if st.warn == lossy {
					if st.warn = "~functions are lost"; s.bash {
						st.warn = ""
					}
				}
				match(t, st.warn, o.warning, "warning", st)
				match(t, strings.ReplaceAll(st.out, "@WORK@", ss.work), o.out, "output", st)
				match(t, st.err, o.err, "error", st)
				if st.code == anyUnset {
					st.code = 2
					if s.bash {
						st.code = 1
					}
				}
				require.Equal(t, st.code, o.ExitCode, "code of %q", st.script)
			}
			o := ss.run("echo alive >&2; (exit 7)") // whatever happened, the session goes on
			require.Equal(t, 7, o.ExitCode)
			match(t, "~alive\n", o.err, "error", step{script: "the last step of " + q.name})
		})
	}
}

var sequences = []sequence{
	{name: "state persists", steps: []step{
		{script: "cd /usr; v='a  b'; f() { echo \"f:$1:$v\"; }; umask 027; export E=1; alias ll='echo aliased'"},
		{script: "pwd; f x; umask; sh -c 'echo $E'; ll", out: "/usr\nf:x:a  b\n0027\n1\naliased\n"},
		{script: "set -- p 'q r'"}, {script: "echo $#:$2", out: "2:q r\n"},
	}},
	{name: "background child persists", steps: []step{
		{script: "{ sleep 0.3; exit 9; } >/dev/null 2>&1 & p=$!"}, {script: "wait $p", code: 9},
	}},
	{name: "streams are separate", steps: []step{{script: "echo o; echo e >&2; echo o2", out: "o\no2\n", err: "e\n"}}},
	{name: "exit anywhere", steps: []step{
		{script: "v=1; f() { exit $1; }; echo a; exit 3; echo DANGER", out: "a\n", code: 3},
		{script: "for i in 1 2; do while :; do f 4; done; done; echo DANGER", code: 4},
		{script: "eval 'exit 5'; echo DANGER", code: 5},
		{script: "(exit 6); echo $?; x=$(echo in; exit 7); echo $? $x", out: "6\n7 in\n"},
		{script: "exit 8 | exit 9", code: 9}, {script: "false; exit", code: 1}, {script: "exit", code: 0},
		{script: "exit 300", code: 44}, {script: "if true; then exit 2; fi; echo DANGER", code: 2},
		{script: "f 3", code: 3}, {script: "IFS=0123456789; exit 12", code: 12}, {script: "echo $v; exit 23", out: "\n", code: 23},
	}},
	{name: "exit with bad codes", steps: []step{
		{script: "exit abc; echo DANGER", err: "~abc", code: 2},
		{script: "exit '3x'; echo DANGER", err: "~3x", code: 2},
	}},
	{name: "exit -1", only: "bash", steps: []step{
		{script: "exit -1; echo DANGER", code: 255}, {script: "exit 3\r", err: anything, code: 2},
	}},
	{name: "exit past traps", steps: []step{
		{script: "trap 'echo cleanup' INT TERM EXIT; false || exit 1; echo DANGER", out: "cleanup\n", code: 1},
		{script: "trap 'echo int' INT; exit 4; echo DANGER", code: 4},
		{script: "trap '' INT; exit 5; echo DANGER", code: 5},
	}},
	{name: "EXIT action", steps: []step{
		{script: "trap 'echo bye; echo e >&2' EXIT; echo hi", out: "hi\nbye\n", err: "e\n"},
		{script: "echo again", out: "again\n"},
		{script: "trap 'rc=$?; echo cl; exit $rc' EXIT; exit 6", out: "cl\n", code: 6},
		{script: "trap 'echo rc=$?; exit 8' EXIT; (exit 5)", out: "rc=5\n", code: 8},
		{script: "trap 'rc=$?; echo cl; exit $rc' EXIT; set -e; false; echo DANGER", out: "cl\n", code: 1},
		{script: "trap 'echo no' EXIT; trap - EXIT; echo yes", out: "yes\n"},
		{script: "(trap 'echo sub' EXIT; echo in)", out: "in\nsub\n"},
		{script: "trap 'echo it' 0; trap", out: "trap -- 'echo it' EXIT\nit\n"},
		{script: "trap", out: ""},
	}},
	{name: "set -e keeps state", steps: []step{
		{script: "v=1; cd /usr; umask 077; trap 'echo usr1' USR1; a=\"it's\n two\"; readonly R=9; export E=x"},
		{script: "set -e; v=2; false; echo DANGER", code: 1},
		{script: "echo $v; pwd; umask; echo \"$a\" $R; sh -c 'echo $E'; kill -USR1 $$; false; echo on", out: "2\n/usr\n0077\nit's\n two 9\nx\nusr1\non\n"},
		{script: "f() { echo f; }"}, {script: "set -e; (exit 3)", code: 3, warn: lossy},
		{script: "echo $v", out: "2\n"},
	}},
	{name: "builtin exit", steps: []step{
		{script: "v=3; command exit 4; echo DANGER", code: 4}, {script: "echo $v", out: "3\n"},
	}},
	{name: "TMOUT", env: []string{"TMOUT=1"}, steps: []step{
		{script: "echo ${TMOUT-none}", out: "none\n"}, {script: "v=1; readonly TMOUT=1"},
		{script: "sleep 1.2; echo $v", out: "1\n"},
	}},
	{name: "history", steps: []step{
		{script: "echo x; cat \"$HOME/.bash_history\" 2>/dev/null; echo ${HISTFILE-none}", out: "x\nnone\n"},
		{script: "command exit 0"}, {script: "ls -A \"$HOME\""},
	}},
	{name: "ENV is not read", env: []string{"ENV=/etc/passwd", "BASH_ENV=/etc/passwd"}, steps: []step{{script: "echo ${ENV-none}", out: "none\n"}}},
	{name: "PS1", steps: []step{
		{script: "PS1=x; PS2=y"}, {script: "PS1=abc; if then", err: anything, code: 2},
		{script: "v=5; readonly PS1=abc; echo a", out: "a\n"}, {script: "echo $v", out: "5\n"},
	}},
	{name: "our variables", steps: []step{
		{script: "v=5; readonly __n=3; (exit 4)", code: 4, warn: anything},
		{script: "echo b", out: "b\n", warn: anything}, {script: "echo $v", out: "5\n", warn: anything},
		{script: "unset __p __n; (exit 3)", code: 3}, {script: "__rc=9; true", code: 9},
	}},
	{name: "PROMPT_COMMAND", only: "bash", steps: []step{
		{script: "v=1; PROMPT_COMMAND='PS1=zz'; (exit 3)", code: 3},
		{script: "shopt -u promptvars; (exit 6)", code: 6}, {script: "echo ok", out: "ok\n"},
	}},
	{name: "set -n", only: "posix", steps: []step{{script: "set -n", warn: anything}, {script: "echo ok", out: "ok\n", warn: anything}}},
	{name: "functions that shadow", steps: []step{
		{script: "printf() { echo MINE; }; kill() { echo MINE; }; test() { return 1; }"},
		{script: "echo a; exit 3", out: "a\n", code: 3}, {script: "(exit 2)", code: 2},
	}},
	{name: "aliases that shadow", steps: []step{
		{script: "alias .=echo printf=false kill=false [=false builtin=false command=false"}, {script: "echo a; exit 3", out: "a\n", code: 3},
	}},
	{name: "functions named as our words", only: "bash", steps: []step{
		{script: "v=1; function . { echo MINE; }; function [ { echo MINE; }; [ a", out: "MINE\n"}, {script: "echo a; exit 3", out: "a\n", code: 3},
		{script: "builtin() { :; }; echo x", out: "x\n"}, {script: "echo $v", out: "1\n", warn: restarted},
		{script: "enable -n . exit"}, {script: "echo $v", out: "1\n", warn: restarted},
		{script: "enable -n builtin"}, {script: "echo $v", out: "1\n", warn: restarted},
		{script: "set -r"}, {script: "echo $v", out: "1\n", warn: restarted},
	}},
	{name: "ulimit -n 6", steps: []step{{script: "echo x >>@WORK@/n; ulimit -n 6"}, {script: "echo x >>@WORK@/n; cat @WORK@/n", out: "x\nx\n", warn: restarted}}},
	{name: "ulimit -n edge", steps: []step{
		{script: "ulimit -n 11; :"}, {script: "echo x >>@WORK@/n", warn: anything}, {script: "cat @WORK@/n", out: "x\n", warn: anything},
	}},
	{name: "closed descriptors", steps: []step{
		{script: "for i in 3 4 5 6 7 8 9; do eval \"exec $i>&-\"; done; echo ok", out: "ok\n"},
		{script: "exec 1>&- 2>&- 0<&-"}, {script: "echo ok", out: "ok\n"},
	}},
	{name: "closed descriptors of the shell", only: "bash", steps: []step{
		{script: "for i in {10..40} 255; do eval \"exec $i>&-\"; done; echo ok", out: anything, err: anything, warn: anything, code: 0},
		{script: "echo ok", out: "ok\n", warn: anything},
	}},
	{name: "exec", steps: []step{
		{script: "v=1; exec sh -c 'echo gone; exit 5'", out: "gone\n", code: 5, warn: restarted}, {script: "echo ${v-lost}", out: "lost\n"},
		{script: "exec /nonexistent/cmd; echo DANGER", err: anything, code: 127, warn: anything},
		{script: "exec 3>&1; echo x >&3", out: "x\n"},
	}},
	{name: "process substitution", only: "bash", steps: []step{
		{script: "exec > >(cat); echo a", out: "a\n"}, {script: "echo b > >(cat)", out: "b\n"}, {script: "echo c", out: "c\n"},
	}},
	{name: "traces", steps: []step{
		{script: "set -x; echo a", out: "a\n", err: "~+ echo a\n"}, {script: "echo b; set +x", out: "b\n", err: "~+ echo b\n"},
		{script: "set -x; exit 3", err: anything, code: 3}, {script: "echo c", out: "c\n", err: "~+ echo c\n"},
		{script: "set +x", err: anything}, {script: "echo d", out: "d\n"},
		{script: "set -v"}, {script: "echo e", out: "e\n", err: "echo e\n"}, {script: "set +v", err: "set +v\n"}, {script: "echo f", out: "f\n"},
	}},
	{name: "no driver lines in traces", steps: []step{{script: "set -x"}, {script: ": one", err: "~: one\n"}, {script: "set +x", err: anything}}},
	{name: "ERR and DEBUG", only: "bash", steps: []step{
		{script: "trap 'echo ERR' ERR; false; true; false", out: "ERR\nERR\n", code: 1}, {script: "false", out: "ERR\n", code: 1},
		{script: "trap -p ERR; trap - ERR; false", out: "trap -- 'echo ERR' ERR\n", code: 1},
		{script: "trap 'echo DBG' DEBUG; :; :", out: "DBG\nDBG\n"}, {script: ":", out: "DBG\n"},
		{script: "trap - DEBUG; :", out: "DBG\n"}, {script: ":"},
		{script: "set -T; trap 'echo DBG' DEBUG"}, {script: ":", out: "DBG\n"},
	}},
	{name: "syntax errors", steps: []step{
		{script: "v=1\necho 'open", err: anything, code: 2}, {script: "echo $v", out: anything},
		{script: "if then", err: "~then", code: 2}, {script: "cat <<X\nhere\n", out: "here\n", err: anything},
		{script: "\x01\xff\xfejunk", err: anything, code: 127}, {script: "echo ok", out: "ok\n"},
	}},
	{name: "unwinding", steps: []step{
		{script: "v=1; set -u; echo $nope; echo DANGER", err: "~nope", code: anyUnset}, {script: "echo $v; set +u", out: "1\n"},
		{script: "echo ${nope:?why}; echo DANGER", err: "~why", code: anyUnset},
		{script: "return 4; echo DANGER", code: 4}, {script: "break; echo on", out: "on\n", err: anything},
	}},
	{name: "hostile surroundings", steps: []step{
		{script: "umask 777"}, {script: "echo a", out: "a\n"}, {script: "umask 022; mkdir @WORK@/d; cd @WORK@/d; rmdir @WORK@/d"},
		{script: "echo b", out: "b\n"}, {script: "cd @WORK@; set -C; set -f"}, {script: "echo *", out: "*\n"},
		{script: "set -a; IFS=abc"}, {script: "echo c", out: "c\n"}, {script: "(ulimit -f 0; echo d)", out: "d\n"},
	}},
	{name: "ulimit -f 0", steps: []step{{script: "ulimit -f 0"}, {script: "echo a", out: "a\n"}}},
	{name: "terminal hint", steps: []step{{script: "echo 'sudo: a terminal is required to read the password' >&2", err: anything, warn: "~no terminal"}}},
	{name: "kill is ignored", steps: []step{{script: "kill $$; echo on", out: "on\n"}}},
}

// anyUnset is the code of an expansion error; the suite takes 1 (bash) and 2 (dash).
const anyUnset = -1
