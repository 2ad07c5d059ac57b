# Completion of pss for fish. In config.fish: pss completion fish | source

function __pss_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l pss pss
    command -q -- $words[1]; and set pss $words[1]
    for line in (command $pss __complete -- $words 2>/dev/null)
        set -l parts (string split -m 2 \t -- $line)
        switch $line
            case ':files*'
                for path in (__fish_complete_path $parts[3])
                    echo -- $parts[2]$path
                end
            case ':directories*'
                for path in (__fish_complete_directories $parts[3])
                    echo -- $parts[2]$path
                end
            case '*'
                echo -- $line
        end
    end
end

for name in pss @LINKS@
    complete -c $name -f -a '(__pss_complete)'
end
