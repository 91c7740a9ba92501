"""Say in words what a plan does, without reading data."""

import shutil
import textwrap
from collections.abc import Callable, Iterator

import polars as pl

from pipeline import sources
from pipeline.engine import snapshot_frames
from pipeline.plan import Node, compose
from pipeline.run import check
from pipeline.settings import Settings


def describe(settings: Settings) -> str:
    """List stages, inputs, snapshots and the schema at each.

    Parameters
    ----------
    settings : Settings
        The checked configuration; the source's files need not be there.

    Returns
    -------
    str
        Columns stand by dtype; ``+`` marks those the stage adds, ``-`` what it drops.
    """
    plan = check(settings)
    width = shutil.get_terminal_size((88, 24)).columns
    schemas = {name: node.schema for name, node in plan.nodes.items()}
    schemas["source"] = plan.source.collect_schema()
    lines = [f"source: {settings.tree['source']['kind']}"]
    lines += _schema_lines(schemas["source"], schemas["source"], width)
    for node in plan.nodes.values():
        lines.append(_title(node))
        lines += _schema_lines(schemas[node.stage.inputs[0]], node.schema, width)
    return "\n".join(lines)


def _title(node: Node) -> str:
    """Name a stage, its transformation, inputs and snapshot."""
    stage = node.stage
    via = f" ({stage.transform})" if stage.transform != stage.name else ""
    published = f"  => snapshot {stage.snapshot}" if stage.snapshot else ""
    return f"{stage.name}{via} <- {', '.join(stage.inputs)}{published}"


def _schema_lines(before: pl.Schema, after: pl.Schema, width: int) -> Iterator[str]:
    """Write the columns by dtype, and how they differ from the input's."""
    by_dtype: dict[str, list[str]] = {}
    for column, dtype in after.items():
        mark = "" if column in before else "+"
        by_dtype.setdefault(str(dtype), []).append(mark + column)
    dropped = [column for column in before if column not in after]
    if dropped:
        by_dtype["-"] = dropped
    for dtype, columns in by_dtype.items():
        yield from textwrap.wrap(
            f"{dtype}: {', '.join(columns)}",
            width,
            initial_indent="    ",
            subsequent_indent="      ",
            break_long_words=False,
        )


def optimized_plan(settings: Settings, say: Callable[[str], None]) -> str:
    """Return Polars' optimized plan of all snapshots, as it will be run.

    The source must be there to be scanned, so it is made or fetched first.
    """
    sources.fetch(settings.source, settings.root, say)
    scan = sources.scan(settings.source, settings.root)
    plan = compose(scan.rows, settings.stages)
    return pl.explain_all(list(snapshot_frames(plan).values()))
