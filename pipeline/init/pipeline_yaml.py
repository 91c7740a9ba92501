"""The text of ``configs/pipeline.yaml``."""

from datetime import date
from typing import Any

from pipeline.config import Tree
from pipeline.errors import n_of
from pipeline.init.choose import Panel
from pipeline.init.history import History
from pipeline.init.look import Seen, Survey
from pipeline.init.names import Names
from pipeline.init.wide import Wide
from pipeline.init.words import WINDOW, dumped, lines, sql
from pipeline.snapshots.catalog import identifier

_CALENDAR = {
    "q": ["quarter"],
    "mo": ["month"],
    "w": ["week"],
    "d": ["weekday", "month"],
    "h": ["hour", "weekday"],
}
"""Parts of the calendar that may matter, by the unit of a period."""


MOST_VALUES = 8
"""Numbers whose past becomes features; others are left for the user to add."""


def pipeline_text(
    survey: Survey,
    panel: Panel,
    names: Names,
    history: History,
    snapshot: str,
    wide: Wide | None,
) -> str:
    """Write ``configs/pipeline.yaml``."""
    kind = survey.source["kind"]
    rest = {key: value for key, value in survey.source.items() if key != "kind"}
    source = {"use": kind, **rest}
    if names.rename:
        source["rename"] = names.rename
    columns = {
        new: _declared(survey.columns[old], panel, wide)
        for old, new in names.declared.items()
    }
    of_time, entity = names.stages[panel.time], names.of(panel.entity)
    target = names.stages[panel.target]
    values = names.of(panel.values)
    key = [*entity, of_time]
    stages, sections = _stages(panel, names, history, snapshot, wide, key, survey)
    # What may be added stands where it would be.
    last = next(name for name, stage in stages.items() if "snapshot" in stage)
    at = 1 + list(stages).index(last)
    above, below = dict([*stages.items()][:at]), dict([*stages.items()][at:])
    gaps, section = _gaps(panel, names, survey, last, stages[last])
    others = (
        f" Others that vary: {', '.join(values[MOST_VALUES:])}."
        if values[MOST_VALUES:]
        else ""
    )
    constants = names.of(panel.constants)
    fixed = f"; the same in all periods: {', '.join(constants)}" if constants else ""
    return (
        f"# Made by `pipeline init` of {survey.n_rows:,} rows:"
        f" {panel.n_entities:,} {', '.join(entity)}, {panel.n_periods:,} periods.\n"
        f"source: {dumped(source)}\n\n"
        "# What is read, and as what. null: may hold nothing; min: no less is good.\n"
        f"columns:\n{lines(columns, 2)}\n"
        "panel:\n"
        f"  time: {dumped(of_time)}\n"
        f"  every: {dumped(panel.every)} # from one period to the next\n"
        f"{_season(history)}{_odd_periods(panel)}"
        f"  entity: {dumped(entity)} # has a row per period\n"
        f"  target: {dumped(target)} # what is forecast\n"
        "  # Not known before their period is over: features are made of their past."
        f"{others}\n"
        f"  values: {dumped(values[:MOST_VALUES])}\n"
        f"  known: [] # known before their period, as prices that are set{fixed}\n\n"
        "# Each takes what the one above gives; a snapshot can be asked in SQL.\n"
        f"stages:\n{lines(above, 2)}{gaps}{lines(below, 2)}\n"
        f"{lines(sections)}{section}"
    )


def _declared(seen: Seen, panel: Panel, wide: Wide | None) -> Any:
    """Declare a column: its kind, and what is not usual for it."""
    column: Tree = {"kind": seen.kind}
    if seen.column.format:
        column["format"] = seen.column.format
    if seen.kind == "decimal" and seen.column.scale != 6:
        column["scale"] = seen.column.scale
    for bound in ("min", "max"):
        if getattr(seen.column, bound) is not None:
            column[bound] = getattr(seen.column, bound)
    is_key = seen.name in (panel.time, *panel.entity)
    if seen.is_count and not is_key:
        column.setdefault("min", 0)
    is_of_wide = wide is not None and seen.name in wide.times
    if is_key:
        pass  # without a key, a row is set aside
    elif seen.kind == "label" and seen.n_null:
        column["kind"] = "text"
    elif seen.kind not in ("number", "text") and (seen.n_null or is_of_wide):
        column["null"] = True
    return column["kind"] if len(column) == 1 else column


def _season(history: History) -> str:
    """Write after how many periods a season comes again."""
    if history.season is None:
        return ""
    return f"  season: {history.season} # periods after which it is the same again\n"


def _odd_periods(panel: Panel) -> str:
    """Write periods that no entity has, or next to none."""
    text = ""
    if panel.n_missing:
        missing = [_time(time) for time in panel.missing] or "any"
        text += (
            f"  missing_periods: {dumped(missing)} # {panel.n_missing:,} that no entity"
            " has\n"
        )
    if panel.sparse:
        sparse = [_time(time) for time in panel.sparse]
        text += f"  sparse_periods: {dumped(sparse)} # with next to no rows\n"
    return text


def _time(time: Any) -> int | str:
    """Write a period as settings do."""
    return str(time) if isinstance(time, date) else time


def _stages(
    panel: Panel,
    names: Names,
    history: History,
    snapshot: str,
    wide: Wide | None,
    key: list[str],
    survey: Survey,
) -> tuple[dict[str, Tree], dict[str, Tree]]:
    """Write the stages and their sections."""
    stages: dict[str, Tree] = {"sanitize_column_names": {}}
    sections: dict[str, Tree] = {}
    target, time = names.stages[panel.target], names.stages[panel.time]
    if wide:
        stages["unpivot"] = {}
        made: Tree = {"columns": wide.pattern, "kind": wide.kind}
        if wide.format:
            made["format"] = wide.format
        sections["unpivot"] = {**made, "value": target}
    may_lack = not wide and survey.columns[panel.target].n_null > 0
    if panel.is_resampled:
        stages["resample"] = {}
        sections["resample"] = _resample(panel, names, survey)
        may_lack = may_lack or not survey.number(panel.target).is_count
    elif not panel.is_on_grid:
        stages["to_period"] = {}
        sections["to_period"] = {"time": time}
    if may_lack:
        stages["filter"] = {}
        sections["filter"] = {"where": f"{sql(target)} is not null"}
    last = next(reversed(stages))
    stages[last] = {"snapshot": snapshot, "key": key}
    unit = str(panel.every).lstrip("0123456789")
    if unit in _CALENDAR:
        parts = _CALENDAR[unit]
        stages["calendar_columns"] = {}
        clash = {*names.stages.values()} & {*parts}
        sections["calendar_columns"] = {
            "parts": parts,
            **({"prefix": "calendar_"} if clash else {}),
        }
    stages["lag_columns"] = {}
    sections["lag_columns"] = {"periods": history.lags}
    if panel.is_by_row:
        sections["lag_columns"]["by"] = "row"
    stages["rolling_columns"] = {}
    sections["rolling_columns"] = {"window": history.window}
    stages["with_past"] = {"transform": "filter"}
    rolling = identifier(f"{target}_rolling{WINDOW}")
    sections["with_past"] = {"where": f"{rolling} is not null"}
    stages["drop_present"] = {"snapshot": "features", "key": key}
    return stages, sections


def _resample(panel: Panel, names: Names, survey: Survey) -> Tree:
    """Write which figure of each column a period has, and what is 0 without rows."""
    seen = [survey.number(name) for name in panel.values[:MOST_VALUES]]
    return {
        "columns": {names.stages[s.name]: s.figure for s in seen},
        "zero": [names.stages[s.name] for s in seen if s.is_count],
    }


def _gaps(
    panel: Panel,
    names: Names,
    survey: Survey,
    last: str,
    stage: Tree,
) -> tuple[str, str]:
    """Say what becomes of gaps: what may be added below a stage, and its section.

    Of a target that is not counted, no row does not mean 0.
    """
    if not panel.n_absent or panel.is_by_row:
        return "", ""
    said = (
        f"  # No row of {n_of(panel.n_absent, 'period')} between an entity's first"
        " and last: lags of these are null.\n"
    )
    if not survey.number(panel.target).is_count:
        return said, ""
    section = dumped({"resample": _resample(panel, names, survey)})[1:-1]
    said += (
        f"  # Where that means 0, write `{last}: {{}}` above, and take the # from the"
        " next line and the last:\n"
        f"  # {dumped({'resample': stage})[1:-1]}\n"
    )
    return said, f"# {section}\n"
