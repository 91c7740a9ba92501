# Completes the words of `pipeline`, and of `just` where a recipe of it has its name.

function _pipeline_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l program pipeline
    if test $words[1] = just
        set -l folder $PWD
        while test -n "$folder"
            if test -x $folder/.venv/bin/pipeline
                set program $folder/.venv/bin/pipeline
                break
            end
            set folder (string replace --regex '/[^/]*$' '' $folder)
        end
    end
    set -l begun (commandline --current-token --cut-at-cursor)
    set -l found ($program complete -- $words[2..] "$begun" 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path "$begun"
    end
end

function _pipeline_is_recipe
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -q words[2]; and contains -- $words[2] COMMANDS
end

complete --command pipeline --no-files --arguments '(_pipeline_complete)'
if command --query just
    JUST_COMPLETE=fish just | source
    complete --command just --no-files --condition _pipeline_is_recipe --arguments '(_pipeline_complete)'
end
