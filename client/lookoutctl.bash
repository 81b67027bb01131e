# SPDX-License-Identifier: MIT
# bash completion for lookoutctl: commands, options, and names that the daemon knows.

# The names in one of lookoutctl's lists, nothing if the daemon cannot be asked.
_lookoutctl_names() {
    lookoutctl "$1" --json 2>/dev/null |
        sed -n 's/^{.*"name":"\([^"]*\)".*/\1/p'
}

# The devices of a kind, by the names for the INI.
_lookoutctl_devices() {
    lookoutctl devices --json 2>/dev/null |
        sed -n "s/^{\"kind\":\"$1\".*\"stable\":\"\([^\"]*\)\".*/\1/p"
}

# The bundles that are installed. Only root may ask for them: for others, those where packages and people put them.
_lookoutctl_bundles() {
    local one
    lookoutctl call ListBundles '{"installed":true}' 2>/dev/null |
        grep -o '{"name":"[^"]*"' | sed 's/.*:"\(.*\)"/\1/' | grep . ||
        for one in {/etc,/var/lib,/usr/lib}/lookout/bundles/*/bundle.ini; do
            [[ -e $one ]] && one=${one%/bundle.ini} && echo "${one##*/}"
        done
}

# The options that `--help` of a command lists.
_lookoutctl_options() {
    lookoutctl "$@" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

_lookoutctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="setup status watch events sensors tasks bundles config reload devices record look doctor call help"
    local command="" one
    COMPREPLY=()
    for one in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ " $commands " == *" $one "* ]] && command=$one && break
    done
    case $before in
    --socket | --png) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --task) mapfile -t COMPREPLY < <(compgen -W "$(_lookoutctl_names tasks)" -- "$word") && return ;;
    --sensor) mapfile -t COMPREPLY < <(compgen -W "$(_lookoutctl_names sensors)" -- "$word") && return ;;
    --camera | --microphone)
        mapfile -t COMPREPLY < <(compgen -W "none $(_lookoutctl_devices "${before#--}")" -- "$word") && return
        ;;
    --bundle) mapfile -t COMPREPLY < <(compgen -W "$(_lookoutctl_bundles)" -- "$word") && return ;;
    --label | --since | --count | --for | --min-confidence) return ;;
    esac
    if [[ $word == -* ]]; then
        # shellcheck disable=SC2086 # no command, no word
        mapfile -t COMPREPLY < <(compgen -W "$(_lookoutctl_options $command)" -- "$word")
    elif [[ -z $command || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    elif [[ $command == look ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_lookoutctl_names sensors)" -- "$word")
    elif [[ $command == record ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    fi
}
complete -F _lookoutctl lookoutctl
