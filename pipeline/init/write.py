"""The files of a project, from what was chosen."""

from collections.abc import Mapping

from pipeline.init.choose import Panel
from pipeline.init.history import history_of
from pipeline.init.look import Survey
from pipeline.init.modeling_yaml import model_texts, modeling_text
from pipeline.init.names import Names, names_of, snapshot_of
from pipeline.init.pipeline_yaml import MOST_VALUES, pipeline_text
from pipeline.init.queries import query_texts
from pipeline.init.wide import Wide
from pipeline.init.words import dumped, lines

_EMPTY = " ''"

_JUSTFILE = """\
set positional-arguments

# List the recipes
[private]
default:
    @just --list --unsorted
"""


def files_of(
    survey: Survey, panel: Panel, commands: Mapping[str, str]
) -> dict[str, str]:
    """Write all files of a project, by their paths in it.

    `commands` are those that get a recipe, and what each does.
    """
    wide = _wide_of(survey, panel)
    names = names_of(survey, panel, wide)
    history = history_of(panel)
    snapshot = snapshot_of(survey)
    target = names.stages[panel.target]
    models = model_texts(survey, panel, history)
    return {
        "configs/pipeline.yaml": pipeline_text(
            survey, panel, names, history, snapshot, wide
        ),
        "configs/columns.yaml": _meanings(names),
        "configs/modeling.yaml": modeling_text(
            panel, names, history, snapshot, list(models)
        ),
        **{f"configs/models/{name}.yaml": text for name, text in models.items()},
        f"configs/checks/{snapshot}.yaml": _contract(survey, panel, names, wide),
        "configs/checks/features.yaml": (
            "# A feature may be null, where there is no past; the target may not.\n"
            f"not_null: {dumped([target])}\nfinite: true\n"
        ),
        **query_texts(panel, names, snapshot),
        "justfile": _JUSTFILE
        + "".join(
            f'\n# {does}\n{name} *args:\n    @exec pipeline {name} "$@"\n'
            for name, does in commands.items()
        ),
    }


def _wide_of(survey: Survey, panel: Panel) -> Wide | None:
    """Find which columns of a wide table were chosen."""
    values = {wide.value: wide for wide in survey.wide}
    return values.get(panel.target) or next(iter(survey.wide), None)


def _meanings(names: Names) -> str:
    """Begin to say what the columns mean."""
    columns = lines(dict.fromkeys(names.declared.values(), ""))
    return (
        "# What columns mean, also those that stages make; without the # in front, such"
        " as\n#   Price: {description: Price of a piece, unit: euros}\n"
        + "".join(f"# {line.removesuffix(_EMPTY)}\n" for line in columns.splitlines())
    )


def _contract(survey: Survey, panel: Panel, names: Names, wide: Wide | None) -> str:
    """Write what the data show, as what shall hold."""
    if wide:
        return (
            "# What the data show, as what must hold in every run.\n"
            f"not_null: {dumped([names.stages[panel.target]])}\nfinite: true\n"
        )
    # Others are not there any more once a `resample` makes the rows of gaps.
    ranges = {
        names.stages[name]: {"min": 0}
        for name in panel.values[:MOST_VALUES]
        if survey.columns[name].is_count
    }
    text = (
        "# What the data show, as what must hold in every run; a null passes all but\n"
        f"# not_null.\nnot_null: {dumped([names.stages[panel.target]])}\nfinite: true\n"
    )
    if ranges:
        text += f"ranges:\n{lines(ranges, 2)}"
    return text + "rows: {change: 0.5}\nwarn: [rows.change] # these do not stop a run\n"
