"""What columns and the panel are called in a project."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.init.choose import Panel
from pipeline.init.look import Survey
from pipeline.init.wide import Wide, sanitized
from pipeline.init.words import is_reserved
from pipeline.modeling.settings import BESIDE_THE_KEY, NAME
from pipeline.plan.settings import SCHEMAS
from pipeline.snapshots.records import FORECASTS, QUARANTINE

_TAKEN = {*BESIDE_THE_KEY, "step"}


@dataclass(frozen=True)
class Names:
    """What columns are called on their way."""

    declared: dict[str, str]
    """By the name in the file."""
    stages: dict[str, str]
    """In the stages, by the name in the file, or of what is made of columns."""

    def of(self, columns: Sequence[str]) -> list[str]:
        """Name columns as stages do."""
        return [self.stages[name] for name in columns]

    @property
    def rename(self) -> dict[str, str]:
        """What the source has to rename."""
        return {old: new for old, new in self.declared.items() if old != new}


def names_of(survey: Survey, panel: Panel, wide: Wide | None) -> Names:
    """Give each column a name that SQL takes, and no other one has.

    The stages' is the sanitized one; the source renames what could not be told apart,
    or would be what forecasts call their own.
    """
    of_wide = {name for one in survey.wide for name in one.times}
    kept = [n for n in survey.columns if n not in of_wide or (wide and n in wide.times)]
    declared: dict[str, str] = {}
    stages: dict[str, str] = {}
    new = [panel.time, panel.target] if wide else []
    taken = {sanitized(n) for n in of_wide}
    for name in [*new, *kept]:
        if name in of_wide:
            declared[name] = stages[name] = name
            continue
        plain_name = sanitized(name)
        if not re.fullmatch(NAME, plain_name):
            plain_name = f"column_{plain_name.strip('_')}".rstrip("_")
            plain_name = re.sub("^column_(?=[a-z])", "", plain_name)
        if plain_name in _TAKEN and name in (panel.time, panel.target, *panel.entity):
            plain_name += "_value" if name == panel.target else "_name"
        unique, n = plain_name, 2
        while unique in taken:
            unique, n = f"{plain_name}_{n}", n + 1
        taken.add(unique)
        stages[name] = unique
        if name not in new:
            declared[name] = name if sanitized(name) == unique else unique
    return Names(declared, stages)


def snapshot_of(survey: Survey) -> str:
    """Name the snapshot of the panel for its files."""
    file = survey.files[0]
    stem = file.name.partition(".")[0] if len(survey.files) == 1 else file.parent.name
    name = sanitized(stem).strip("_")
    taken = {"features", "source", QUARANTINE, *FORECASTS, *SCHEMAS}
    is_name = re.fullmatch(NAME, name) and name not in taken
    return name if is_name and not is_reserved(name) else "panel"
