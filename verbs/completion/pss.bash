# Completion of pss for bash. In ~/.bashrc: source <(pss completion bash)

# _pss_words puts the words in front of the cursor into words. bash also splits at
# = : @ and others: what no blank parts is one word. Quotes are taken off; open says
# whether the last word is inside one.
_pss_words() {
	local i text word rest=${COMP_LINE:0:COMP_POINT}
	words=("${COMP_WORDS[@]:0:COMP_CWORD+1}") open=
	if [[ -n $rest ]]; then
		words=()
		for ((i = 0; i <= COMP_CWORD; i++)); do
			word=${rest#"${rest%%[![:space:]]*}"} text=${COMP_WORDS[i]}
			text=${text:0:${#word}}
			if [[ $word == "$rest" && $i -gt 0 ]]; then
				words[${#words[@]} - 1]+=$text
			else
				words+=("$text")
			fi
			rest=${word:${#text}}
		done
	fi
	for ((i = 0; i < ${#words[@]}; i++)); do
		text=${words[i]}
		case $text in
		\"?*\" | \'?*\' | \"\" | \'\') words[i]=${text:1:${#text}-2} ;;
		\"* | \'*) words[i]=${text:1} open=${text:0:1} ;;
		*) words[i]=${text//\\/} ;;
		esac
	done
}

_pss() {
	local line word typed before open action= pss=pss breaks=${COMP_WORDBREAKS//[[:space:]]/}
	local -a words found=()
	_pss_words
	[[ -n $(type -P -- "${words[0]}") ]] && pss=${words[0]}
	while IFS= read -r line; do
		case $line in
		:files*) action=file ;;
		:directories*) action=directory ;;
		*) found+=("${line%%$'\t'*}") && continue ;;
		esac
		line=${line#*$'\t'} before=${line%%$'\t'*} typed=${line#*$'\t'}
		compopt -o filenames 2>/dev/null
		while IFS= read -r word; do found+=("$before$word"); done < <(compgen -A "$action" -- "$typed")
	done < <("$pss" __complete -- "${words[@]}" 2>/dev/null)

	# Of a word that bash has split, only the last piece is replaced.
	word=${words[${#words[@]} - 1]}
	before=${word%"${word##*["$breaks"]}"}
	[[ -n $open ]] && before=
	COMPREPLY=()
	for word in "${found[@]}"; do
		word=${word#"$before"}
		[[ -z $open$action && $word == *[^-[:alnum:]_.,:=@%+/]* ]] && printf -v word %q "$word"
		COMPREPLY+=("$word")
	done
}
complete -F _pss pss @LINKS@
