"""What a plan does, in words: kept, so that it is told without composing it again."""

import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import ConfigError, nearest
from pipeline.lineage.graph import SOURCE, Lineage
from pipeline.plan.content import Memo
from pipeline.plan.wiring import Selection, Wiring
from pipeline.snapshots.records import Description

if TYPE_CHECKING:  # Polars is imported where a plan is composed
    from pipeline.plan.plan import Plan
    from pipeline.plan.settings import Settings


class Outline(msgspec.Struct, frozen=True, dict=True):
    """What is known of a plan before any data is read, but for its frames."""

    kinds: dict[str, str]
    """Of each source."""
    schemas: dict[str, dict[str, str]]
    """Of each source and stage: columns, and how Polars writes their types."""
    lineage: Lineage
    held_back: dict[str, dict[str, list[str]]]
    """Of stages that let only what is known before its period through: the columns by
    the reason why they come through; under none, those that do not."""
    descriptions: dict[str, dict[str, Description]]

    @cached_property
    def wiring(self) -> Wiring:
        """The names of the plan."""
        lineage = self.lineage
        inputs = {name: stage.inputs for name, stage in lineage.stages.items()}
        return Wiring([*lineage.sources], inputs, lineage.snapshots)


def outline(
    root: Path,
    profile: str | None,
    overrides: Sequence[str],
    load: "Callable[[], Settings]",
) -> Outline:
    """Return what is kept of a plan, or else compose it of the settings to `load`.

    Raises
    ------
    ConfigError, SchemaError
        If the settings or the plan are wrong.
    """
    memo = _memo(root, profile, overrides)
    kept = memo.recall(Outline)
    if kept is not None:
        return kept
    settings = load()
    from pipeline.run.run import check

    made = outline_of(settings, check(settings))
    if not settings.environment:
        memo.remember(made)
    return made


def kept_outline(
    root: Path, profile: str | None, overrides: Sequence[str]
) -> Outline | None:
    """Return what is kept of a plan, if all it is made of is the same."""
    return _memo(root, profile, overrides).recall(Outline)


def _memo(root: Path, profile: str | None, overrides: Sequence[str]) -> Memo:
    return Memo(root, "outline", profile, overrides)


def outline_of(settings: "Settings", plan: "Plan") -> Outline:
    """Take from a plan what can be told of it."""
    from pipeline.plan.descriptions import describe as describe_columns
    from pipeline.transforms import PastOnly

    tree = settings.tree
    kinds = {name: tree["sources"][name]["kind"] for name in plan.others}
    return Outline(
        {SOURCE: tree[SOURCE]["kind"], **kinds},
        {
            name: {column: str(dtype) for column, dtype in plan.schema(name).items()}
            for name in (*plan.sources, *plan.nodes)
        },
        plan.lineage(),
        {
            name: _held_back(plan, name)
            for name, node in plan.nodes.items()
            if isinstance(node.stage.config, PastOnly)
        },
        describe_columns(settings, plan),
    )


_REASONS = {"key": "of the key", "past": "of the past", "named": "by `panel.known`"}


def _held_back(plan: "Plan", name: str) -> dict[str, list[str]]:
    """Tell why columns come through a stage, and which do not."""
    from pipeline.plan.known import why_known
    from pipeline.transforms import PastOnly

    node = plan.nodes[name]
    config, known = node.stage.config, why_known(plan, node.stage)
    assert isinstance(config, PastOnly)
    by_reason: dict[str, list[str]] = {}
    for column in node.schema:
        reason = _REASONS[known[column]] if column in known else "of its period"
        if column in (*config.keys, config.time):
            reason = "the key"
        by_reason.setdefault(reason, []).append(column)
    given = plan.schema(node.stage.inputs[0])
    return {**by_reason, "": [column for column in given if column not in node.schema]}


def refuse_unknown(
    root: Path,
    profile: str | None,
    overrides: Sequence[str],
    name: str,
    columns: Iterable[str] = (),
) -> None:
    """Refuse a stage, snapshot or source that is not there, or columns of it.

    A ConfigError; only where the outline is kept: whoever composes the plan refuses it.
    """
    kept = kept_outline(root, profile, overrides)
    if kept is not None:
        stage = kept.wiring.frame(name)
        require_columns(stage, kept.schemas[stage], columns)


def require_columns(
    name: str, schema: Mapping[str, object], columns: Iterable[str]
) -> None:
    """Refuse columns that a stage does not have."""
    if absent := [column for column in columns if column not in schema]:
        raise ConfigError(
            f"show: --columns: no column '{absent[0]}'{nearest(absent[0], schema)}\n"
            f"found in {name}: {', '.join(schema)}"
        )


def describe(outline: Outline, selection: Selection | None = None) -> str:
    """List stages, inputs, snapshots and the schema at each: all, or those selected.

    Columns stand by dtype; ``+`` marks those the stage adds, ``-`` what it drops.
    """
    schemas, wiring = outline.schemas, outline.wiring
    chosen = (selection or Selection()).stages(wiring)
    read = {name for stage in chosen for name in wiring.inputs[stage]}
    lines: list[str] = []
    for name, kind in outline.kinds.items():
        if name == SOURCE or name in read:
            lines.append(f"{name}: {kind}")
            lines += _schema_lines(schemas[name], schemas[name])
    for name in chosen:
        lines.append(_title(outline.lineage, name))
        lines += _schema_lines(schemas[wiring.inputs[name][0]], schemas[name])
        lines += wrapped(_held_back_lines(outline.held_back.get(name, {})))
    return "\n".join(lines)


def _title(lineage: Lineage, name: str) -> str:
    """Name a stage, its transformation, inputs and snapshot."""
    stage = lineage.stages[name]
    via = f" ({stage.transform})" if stage.transform != name else ""
    published = f"  => snapshot {stage.snapshot}" if stage.snapshot else ""
    return f"{name}{via} <- {', '.join(stage.inputs)}{published}"


def _schema_lines(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Write the columns by dtype, and how they differ from the input's."""
    by_dtype: dict[str, list[str]] = {}
    for column, dtype in after.items():
        mark = "" if column in before else "+"
        by_dtype.setdefault(dtype, []).append(mark + column)
    dropped = [column for column in before if column not in after]
    if dropped:
        by_dtype["-"] = dropped
    for dtype, columns in by_dtype.items():
        yield from textwrap.wrap(
            f"{dtype}: {', '.join(columns)}",
            _width(),
            initial_indent="    ",
            subsequent_indent="      ",
            break_long_words=False,
        )


def _held_back_lines(by_reason: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Say why columns came through a stage that holds back those of their period."""
    for reason, columns in by_reason.items():
        if reason:
            yield f"    kept, {reason}: {', '.join(columns)}"
    if dropped := by_reason.get(""):
        yield (
            f"    dropped, of their period: {', '.join(dropped)} (`panel.values` makes"
            " features of their past; `panel.known` keeps what is known before)"
        )


def wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Break lines at the terminal's width."""
    for line in lines:
        yield from textwrap.wrap(
            line, _width(), subsequent_indent="    ", break_long_words=False
        )


def _width() -> int:
    """Say how wide the terminal is."""
    return shutil.get_terminal_size((88, 24)).columns
