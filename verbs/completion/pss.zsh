#compdef pss @LINKS@
# Completion of pss for zsh. In ~/.zshrc, behind compinit: source <(pss completion zsh)
# or once: pss completion zsh >DIR/_pss, where DIR is one of $fpath.

_pss() {
	local pss=pss line before typed
	local -a args found says
	args=("${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}")
	[[ -n ${commands[$args[1]]} || -x $args[1] ]] && pss=$args[1]
	for line in "${(@f)$(command $pss __complete -- "${(@)args}" 2>/dev/null)}"; do
		case $line in
		:files*|:directories*)
			before=${${line#*$'\t'}%%$'\t'*}
			[[ -n $before ]] && compset -P "${(b)before}"
			if [[ $line == :files* ]]; then _files; else _files -/; fi
			return
			;;
		?*)
			found+=("${line%%$'\t'*}")
			says+=("${(r:28:)line%%$'\t'*} ${line#*$'\t'}")
			;;
		esac
	done
	(( $#found )) || return 1
	# -U: pss has compared already, and knows that letters of both cases are equal.
	compadd -U -l -d says -- "${(@)found}"
}

if [[ $funcstack[1] == _pss ]]; then
	_pss "$@"
elif (( $+functions[compdef] )); then
	compdef _pss pss @LINKS@
fi
