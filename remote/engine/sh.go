//go:build unix

package engine

func init() { register(shDriver) }

var shDriver = &driver{
	name:  "sh",
	find:  []string{"sh", "dash", "ash"},
	argv:  []string{"-i"},
	run:   `\command`,
	call:  "__a() { \\command . %[1]s; }\n\\__a%[2]s\n",
	nudge: "",
	alias: map[string]string{"exit": "__exit", "trap": "__trap"},
	files: map[string]string{
		"prelude": shPrelude,
		"bash":    bashSnapshotHelpers + bashSnapshot,
	},
}

// shPrelude is what bashPrelude is, for a shell of which only POSIX is expected.
// exit and trap are special builtins, which no function can hide, so they are
// caught by aliases. $$ is the same in a subshell; /proc/self tells them apart,
// and where it is missing exit is left to the builtin: the shell is started again.
// The EXIT trap opens the command's streams for reading, too, since that never
// waits: the command may be over. A bash that acts as sh can write down its functions and gets bash's snapshot.
const shPrelude = `
__me() {
  __pid=
  IFS=' ' \command read -r __pid __y </proc/self/stat
  case $__pid:${__ending-} in "$$:") \return 0 ;; esac
  \return 1
} 2>/dev/null
__exit() {
  { __rc=$? __xs=$-; \command set +x; } 2>/dev/null
  if ! __me; then
    case $# in 0) \command exit "$__rc" ;; *) \command exit "$@" ;; esac
  fi
  case $#:${1-} in
    0:) ;;
    1:[0-9]|1:[0-9][0-9]|1:[0-9][0-9][0-9]) __rc=$1 ;;
    *) \command set +e; ( \command exit "$@" ); __rc=$? ;;
  esac
  case $__xs in *x*) __f=x ;; esac
  \command set +e; \command trap - INT; \command exec 2>/dev/null; \command kill -INT "$$"; \command : "${__pss_unset:?}"
}
__q() {
  __r=$1 __o=
  while :; do
    case $__r in
      *\'*) __o=$__o${__r%%\'*}"'\\''"; __r=${__r#*\'} ;;
      *) \command printf "'%s'" "$__o$__r"; \return ;;
    esac
  done
}
__trap() {
  { __xs=$-; \command set +x; } 2>/dev/null
  if ! __me; then
    case $__xs in *x*) \command set -x ;; esac
    \command trap "$@"; \return
  fi
  case ${1-} in --) \command shift ;; esac
  case $# in
    0)
      case ${__ux+x} in x) \command printf 'trap -- '; __q "$__ux"; \command printf ' EXIT\n' ;; esac
      \command trap - EXIT; \command trap; \command trap "$__bye" EXIT
      case $__xs in *x*) \command set -x ;; esac
      \return ;;
    1) case $1 in -*) \command trap "$@"; \return ;; *) \command set -- - "$@" ;; esac ;;
    *) case $1 in [0-9]|[0-9][0-9]) \command set -- - "$@" ;; esac ;;
  esac
  __t=$1 __ts=0; \command shift
  while \command test $# -gt 0; do
    case $1 in
      EXIT|0) case $__t in -) \command unset __ux ;; *) __ux=$__t ;; esac ;;
      *) \command trap -- "$__t" "$1" || __ts=1 ;;
    esac
    \command shift
  done
  case $__xs in *x*) \command set -x ;; esac
  { \return "$__ts"; } 2>/dev/null
}
__st() { \return "$1"; }
__ro() {
  case $1 in PS1=*|PS2=*|__*|TMOUT=*|PPID=*) ;; *) \command readonly "$1" ;; esac
}
__snap() {
  \command unalias exit trap . command '{' '}' case
  {
    \command printf '\\command cd '; __q "$PWD"; \command printf '\n'
    \command set
    \command export -p
    \command readonly -p
    \command alias | while IFS= \command read -r __v; do
      case $__v in alias\ *) \command printf '%s\n' "$__v" ;; *) \command printf 'alias %s\n' "$__v" ;; esac
    done
    \command printf 'umask '; \command umask
    \command trap
    \command printf 'set --'
    for __v do \command printf ' '; __q "$__v"; done
    \command printf '\nset +C +f +a\n'
    case $__xs in *C*) \command printf 'set -C\n' ;; esac
    case $__xs in *f*) \command printf 'set -f\n' ;; esac
    case $__xs in *a*) \command printf 'set -a\n' ;; esac
    case $__xs in *u*) \command printf 'set -u\n' ;; esac
    case $__xs${__f-} in *x*v*|*v*x*) \command printf '__f=xv\n' ;; *x*) \command printf '__f=x\n' ;; *v*) \command printf '__f=v\n' ;; esac
    \command printf '#end\n'
  } >|@DIR@/snapshot.new
}
case ${BASH_VERSION-} in ?*) \command . @DIR@/bash; \command set +o history +o emacs +o vi +H; PROMPT_COMMAND='PS1=$__p' ;; esac
\command unset HISTFILE MAILCHECK TMOUT ENV
alias exit='\__exit' trap='\__trap'
\command unalias readonly 2>/dev/null
__p='@PROMPT@' __n=@NUMBER@ __rc= PS2= __f=${__f-} __d=@DIR@/none
\command unset __ending __ux
__bye='__s=$? __xs=$- __ending=1; { \command set +e +x +v +u; __snap "$@"; } 2>/dev/null; case $__d in ?*) \command exec 1<>"$__d.out" 2<>"$__d.err" ;; esac; __st "$__s"; \command eval "${__ux-}"'
\command trap "$__bye" EXIT
PS1=$__p
`

// bashSnapshotHelpers is what bashSnapshot calls, for a bash that acts as sh.
const bashSnapshotHelpers = `
__traps() { \command trap -p "$@" 2>/dev/null; }
`
