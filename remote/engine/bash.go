//go:build unix

package engine

func init() { register(bashDriver) }

var bashDriver = &driver{
	name:   "bash",
	find:   []string{"bash"},
	argv:   []string{"--noprofile", "--norc", "--noediting", "-i"},
	run:    `\builtin`,
	call:   "\\builtin . %[1]s%[2]s\n",
	nudge:  `\builtin shopt -s promptvars; PROMPT_COMMAND='PS1=$__p'; `,
	hasErr: true,
	files: map[string]string{
		"prelude": bashPrelude + bashSnapshot,
	},
}

// bashPrelude makes the shell ours. Two things need care in it. A user's set -x
// must not show our functions at work, so each of them begins by switching it off
// with standard error closed. And a trap on DEBUG fires for everything after it,
// so setting it is always the very last thing that happens. Leaving a function
// brings back the DEBUG and ERR traps that it removed, hence they are made idle.
//
// exit must not end the shell, and nothing may run after it. The interrupt that
// the shell sends itself unwinds to the prompt, but only without a trap on INT;
// the expansion error behind it does the same if the signal comes to nothing.
// What looks like no plain number is tried in a subshell, which gives the shell's
// own message and code.
//
// trap keeps the EXIT action for the end of the command; the shell's own EXIT trap
// is ours, and returns to the command's streams if the shell left them before: then
// standard output is what the shell was started with. ERR is wrapped, because the line that sources the script fails, too,
// when the script does: there BASH_SOURCE is empty.
const bashPrelude = `
exit() {
  { __rc=$? __xs=$-; \builtin set +x; } 2>/dev/null
  if [[ $BASHPID != "$$" || -n ${__ending-} ]]; then
    case $# in 0) \builtin exit "$__rc" ;; *) \builtin exit "$@" ;; esac
  fi
  case $#:${1-} in
    0:) ;;
    1:[0-9]|1:[0-9][0-9]|1:[0-9][0-9][0-9]) __rc=$1 ;;
    *) \builtin set +e; ( \builtin exit "$@" ); __rc=$? ;;
  esac
  case $__xs in *x*) __f=x ;; esac
  \builtin set +e; \builtin trap - INT; \builtin exec 2>/dev/null; \builtin kill -INT "$$"; \builtin : "${__pss_unset:?}"
}
__q() { __o="'\\''"; \builtin printf "trap -- '%s' %s\n" "${1//\'/"$__o"}" "$2"; }
__traps() {
  case $# in 0) \builtin set -- EXIT DEBUG ERR RETURN HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS ;; esac
  while [[ $# -gt 0 ]]; do
    case $1 in
      EXIT|0|SIGEXIT|exit) if [[ -n ${__ux+x} ]]; then __q "$__ux" EXIT; fi ;;
      ERR|err) if [[ -n ${__et+x} ]]; then __q "$__et" ERR; fi ;;
      DEBUG|debug) if [[ -n ${__dt-} ]]; then __q "$__dt" DEBUG; fi ;;
      *) \builtin trap -p "$1" 2>/dev/null ;;
    esac
    \builtin shift
  done
}
trap() {
  { __xs=$-; \builtin set +x; } 2>/dev/null
  case ${1-} in
    -l|-P|-[!p-]*) case $__xs in *x*) \builtin set -x ;; esac; \builtin trap "$@"; \builtin return ;;
    ''|-p) if [[ $# = 0 || $1 = -p ]] && [[ $BASHPID = "$$" || -z ${__sub-} ]]; then
        __traps "${@:2}"
        case $__xs in *x*) \builtin set -x ;; esac
        \builtin return
      fi ;;
  esac
  if [[ $BASHPID != "$$" || -n ${__ending-} ]]; then
    __sub=1
    case $__xs in *x*) \builtin set -x ;; esac
    \builtin trap "$@"; \builtin return
  fi
  if [[ $1 = -- ]]; then \builtin shift; fi
  if [[ $# = 1 || $1 = [0-9] || $1 = [0-9][0-9] ]]; then \builtin set -- - "$@"; fi
  __a=$1 __ts=0 __db=; \builtin shift
  while [[ $# -gt 0 ]]; do
    case $1 in
      EXIT|0|SIGEXIT|exit|Exit) case $__a in -) \builtin unset __ux ;; *) __ux=$__a ;; esac ;;
      ERR|err) case $__a in
          -) \builtin unset __et ;;
          *) __et=$__a; \builtin trap 'case ${#BASH_SOURCE[@]} in 0) ;; *) \builtin eval "${__et-}" ;; esac' ERR ;;
        esac ;;
      DEBUG|debug) __db=1 ;;
      *) \builtin trap -- "$__a" "$1" || __ts=1 ;;
    esac
    \builtin shift
  done
  if [[ -z $__db ]]; then
    case $__xs in *x*) \builtin set -x ;; esac
    { \builtin return "$__ts"; } 2>/dev/null
  elif [[ $__a = - ]]; then
    __dt=; \builtin trap '' DEBUG
    case $__xs in *x*) \builtin set -x ;; esac
  else
    __dt=$__a
    case $__xs in *x*) \builtin set -x ;; esac
    { \builtin trap -- "$__dt" DEBUG; } 2>/dev/null
  fi
}
__st() { \builtin return "$1"; }
\builtin set +o history +H
\builtin unset HISTFILE MAILCHECK TMOUT ENV BASH_ENV
__p='@PROMPT@' __n=@NUMBER@ __rc= PROMPT_COMMAND='PS1=$__p' PS2= __f=${__f-} __dt=${__dt-}
\builtin unset __ending __ux
\builtin trap '__s=$? __xs=$- __ending=1; \builtin trap - ERR DEBUG; { \builtin set +e +x +v +u; __snap "$@"; } 2>/dev/null; [[ /proc/$$/fd/1 -ef /dev/null && -n ${__d-} ]] && \builtin exec 1<>"$__d.out" 2<>"$__d.err"; __st "$__s"; \builtin eval "${__ux-}"' EXIT
PS1=$__p
`

// bashSnapshot defines the function that writes the state to a file from which a
// new shell takes it. Functions and aliases that shadow the words which we send
// are left out, or the next shell would be as deaf as this one. To be able to
// write at all although they exist, it turns to posix mode for a moment, where no
// function hides a special builtin such as unset. The last line tells that the
// file is whole. Flags x and v are kept in __f: the next command sets them within
// its own streams.
const bashSnapshot = `
__snap() {
  case :$SHELLOPTS: in *:posix:*) __px=1 ;; *) __px= ;; esac
  POSIXLY_CORRECT=1
  \unset -f builtin command . unset read declare printf set trap return case compgen
  case $__px in '') \unset POSIXLY_CORRECT ;; esac
  \builtin unalias . builtin command '{' '}' case while
  {
    \builtin printf '\\builtin cd -- %q\n' "$PWD"
    \builtin compgen -A function >|@DIR@/names
    while IFS= \builtin read -r __v; do
      case $__v in __*|exit|trap) ;; *) \builtin declare -f -- "$__v" ;; esac
    done <@DIR@/names
    \builtin declare -Fx
    \builtin alias -p
    \builtin compgen -A variable >|@DIR@/names
    while IFS= \builtin read -r __v; do
      case $__v in
        __*|_|BASH|BASHOPTS|BASHPID|BASH_*|COMP_*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|HIST*|LINENO|OPTERR|PIPESTATUS) ;;
        POSIXLY_CORRECT|PPID|PROMPT_COMMAND|PS1|PS2|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|UID|MAILCHECK) ;;
        *) \builtin declare -p -- "$__v" ;;
      esac
    done <@DIR@/names && __ok=1
    \builtin umask -p
    \builtin printf 'set --'
    case $# in 0) ;; *) \builtin printf ' %q' "$@" ;; esac
    \builtin printf '\n'
    __traps HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS RETURN ERR
    case ${__dt-} in '') ;; *) \builtin printf '__dt=%q\n' "$__dt" ;; esac
    \builtin shopt -p
    \builtin set +o
    \builtin printf 'set +o emacs +o vi\n'
    case $__xs in *u*) \builtin printf 'set -u\n' ;; esac
    case $__xs${__f-} in *x*v*|*v*x*) \builtin printf '__f=xv\n' ;; *x*) \builtin printf '__f=x\n' ;; *v*) \builtin printf '__f=v\n' ;; esac
    \builtin printf '\\builtin set +e; \\builtin shopt -s promptvars\n'
    case ${__ok-} in 1) \builtin printf '#end\n' ;; esac
  } >|@DIR@/snapshot.new
}
`
