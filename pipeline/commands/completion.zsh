#compdef pipeline just
# Completes the words of `pipeline`, and of `just` where a recipe of it has its name.

_pipeline_asked() {
    local folder=$PWD program=pipeline
    while [[ $1 == just && -n $folder ]]; do
        [[ -x $folder/.venv/bin/pipeline ]] && program=$folder/.venv/bin/pipeline && break
        folder=${folder%/*}
    done
    $program complete -- "${@:2}" 2>/dev/null
}

_pipeline_complete() {
    local -a whole begun
    local line
    for line in "${(@f)$(_pipeline_asked "$words[1]" "${(@)words[2,CURRENT]}")}"; do
        line=${line%%$'\t'*}
        [[ $line == *[=.] ]] && begun+=("$line") || { [[ -n $line ]] && whole+=("$line") }
    done
    (( $#whole + $#begun )) || { _files; return }
    compadd -S '' -a begun
    compadd -a whole
}

_pipeline_just() {
    if (( CURRENT > 2 )) && [[ " COMMANDS " == *" $words[2] "* ]]; then
        _pipeline_complete
    elif (( $+functions[_clap_dynamic_completer_just] )); then
        _clap_dynamic_completer_just
    fi
}

compdef _pipeline_complete pipeline
if (( $+commands[just] )); then
    eval "$(JUST_COMPLETE=zsh just)"
    compdef _pipeline_just just
fi
