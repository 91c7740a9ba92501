# Completes the words of `pipeline`, and of `just` where a recipe of it has its name.

_pipeline_asked() {
    local folder=$PWD program=pipeline
    while [[ $1 == just && -n $folder ]]; do
        [[ -x $folder/.venv/bin/pipeline ]] && program=$folder/.venv/bin/pipeline && break
        folder=${folder%/*}
    done
    "$program" complete -- "${@:2}" 2>/dev/null
}

_pipeline_complete() {
    local name description
    COMPREPLY=()
    # Readline takes "=" for a word of its own: what stands behind it is a value.
    [[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD - 1]} == = ]] && return
    while IFS=$'\t' read -r name description; do
        COMPREPLY+=("$name")
    done < <(_pipeline_asked "$1" "${COMP_WORDS[@]:1:COMP_CWORD}")
    [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace
    # Readline puts into quotes what needs them only if it takes it for a file.
    [[ ${COMPREPLY[*]} == *[^[:alnum:][:space:]_.=,-]* || ${COMPREPLY[0]} == *\ * ]] &&
        compopt -o filenames
}

_pipeline_just() {
    COMPREPLY=()
    if ((COMP_CWORD > 1)) && [[ " COMMANDS " == *" ${COMP_WORDS[1]} "* ]]; then
        _pipeline_complete "$@"
    elif declare -F _clap_complete_just >/dev/null; then
        _clap_complete_just "$@"
    fi
}

complete -o bashdefault -o default -o nosort -F _pipeline_complete pipeline
if command -v just >/dev/null; then
    eval "$(JUST_COMPLETE=bash just)"
    complete -o bashdefault -o default -o nosort -F _pipeline_just just
fi
