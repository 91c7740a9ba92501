"""The ways through the whole plan: from a column back, forth, and to the source."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from pipeline.errors import LineageError, nearest
from pipeline.lineage import KINDS, Edge
from pipeline.lineage.value import NOTHING, Deps, strongest, through
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE


class Column(NamedTuple):
    """A column of a stage, or of ``source``."""

    stage: str
    column: str


def find_stage(plan: Plan, name: str) -> str:
    """Find the stage of a snapshot's name or its own; ``source`` is one, too.

    Raises
    ------
    LineageError
        If there is none; names the one that was probably meant.
    """
    if name in plan.snapshots:
        return plan.snapshots[name].stage.name
    if name in plan.nodes or name == SOURCE:
        return name
    known = list(dict.fromkeys([*plan.snapshots, *plan.nodes, SOURCE]))
    holders = [owner for owner in known if name in columns_of(plan, owner)]
    meant = "" if holders else nearest(name, known)
    example = f"{holders[0]}.{name}" if holders else f"'{SOURCE}.Mean Cost'"
    raise LineageError(
        f"lineage: no snapshot or stage '{name}'{meant}\n"
        f"found: {', '.join(known)}\n"
        f"hint: name a column as SNAPSHOT.COLUMN or STAGE.COLUMN, such as {example}"
    )


def find_column(plan: Plan, name: str) -> Column:
    """Find a column by ``snapshot.column`` or ``stage.column``.

    A snapshot's name comes before a stage's.

    Raises
    ------
    LineageError
        If there is no such snapshot, stage or column; names the one that was probably
        meant.
    """
    owner, dot, column = name.partition(".")
    stage = find_stage(plan, owner)
    known = columns_of(plan, stage)
    if column not in known:
        what = f"'{owner}' has no column '{column}'{nearest(column, known)}"
        raise LineageError(
            f"lineage: {what if dot else f'which column of {owner!r}?'}\n"
            f"found: {', '.join(known)}\n"
            "hint: `just plan` shows the columns of every stage"
        )
    return Column(stage, column)


def find_columns(plan: Plan, name: str) -> list[Column]:
    """Find a column as `find_column` does, or all of a snapshot or stage alone."""
    if "." in name:
        return [find_column(plan, name)]
    stage = find_stage(plan, name)
    return [Column(stage, column) for column in columns_of(plan, name)]


def columns_of(plan: Plan, owner: str) -> list[str]:
    """Name the columns of a snapshot, of a stage or of the source."""
    if owner == SOURCE:
        return plan.source.collect_schema().names()
    return (plan.snapshots.get(owner) or plan.nodes[owner]).schema.names()


def upstream(
    plan: Plan, edges: Sequence[Edge], name: str, kinds: Collection[str] = KINDS
) -> list[Edge]:
    """Find all that a column, or a whole stage, depends on in every stage before.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    edges : sequence of Edge
        Its lineage.
    name : str
        ``snapshot.column`` or ``stage.column``; without a column, all of them.
    kinds : collection of str
        The ways to follow. Those of which rows there are count for every stage on the
        way, as each hands its rows on.

    Returns
    -------
    list of Edge
        In the order of `edges`.

    Raises
    ------
    LineageError
        If there is no such column.
    """
    targets = find_columns(plan, name)
    stages = _before(plan, targets[0].stage)
    columns: set[tuple[str, str | None]] = set(targets)
    found: list[Edge] = []
    # A stage's inputs stand before it, so that one pass sees every way.
    for edge in reversed(edges):
        is_rows = edge.column is None and edge.stage in stages
        if edge.kind in kinds and (is_rows or (edge.stage, edge.column) in columns):
            found.append(edge)
            columns.add((edge.input, edge.input_column))
    return found[::-1]


def downstream(
    plan: Plan, edges: Sequence[Edge], name: str, kinds: Collection[str] = KINDS
) -> list[Edge]:
    """Find all that depends on a column, through every stage after.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    edges : sequence of Edge
        Its lineage.
    name : str
        ``snapshot.column``, ``stage.column`` or ``source.column``; without a column,
        all of them.
    kinds : collection of str
        The ways to follow.

    Returns
    -------
    list of Edge
        In the order of `edges`. Where one has the column None, all columns of that
        stage and of every stage after it depend on the column, by their rows.

    Raises
    ------
    LineageError
        If there is no such column.
    """
    columns: set[tuple[str, str | None]] = set(find_columns(plan, name))
    found: list[Edge] = []
    for edge in edges:
        if edge.kind in kinds and (edge.input, edge.input_column) in columns:
            found.append(edge)
            columns.add((edge.stage, edge.column))
    return found


def origins(
    plan: Plan, edges: Sequence[Edge]
) -> dict[tuple[str, str | None], list[tuple[str, str]]]:
    """Trace every column of every stage back to the source.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    edges : sequence of Edge
        Its lineage.

    Returns
    -------
    dict of (stage, column) to list of (source column, kind)
        In the order of the source's columns. Under the column None: what decides which
        rows of the stage there are, and their order.
    """
    names = columns_of(plan, SOURCE)
    deps: dict[tuple[str, str | None], Deps] = {
        (SOURCE, name): frozenset([((SOURCE, name), KINDS[0])]) for name in names
    }
    for name, node in plan.nodes.items():
        rows = [deps.get((input_, None), NOTHING) for input_ in node.stage.inputs]
        deps |= {(name, column): NOTHING for column in node.schema}
        deps[name, None] = NOTHING.union(*rows)
        for edge in edges:
            if edge.stage == name:
                found = through(edge.kind, deps[edge.input, edge.input_column])
                deps[name, edge.column] |= found
    return {
        at: sorted(
            ((column, kind) for (_, column), kind in strongest(found)),
            key=lambda dep: (names.index(dep[0]), KINDS.index(dep[1])),
        )
        for at, found in deps.items()
    }


def _before(plan: Plan, stage: str) -> set[str]:
    """Name a stage and all that it is made of."""
    if stage == SOURCE:
        return {SOURCE}
    inputs = plan.nodes[stage].stage.inputs
    return {stage}.union(*(_before(plan, input_) for input_ in inputs))
