"""From rows of a stage back, stage by stage, to the rows they are made of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec
import polars as pl

from pipeline.lineage.graph import SOURCE, Edge
from pipeline.lineage.trace import trace_function
from pipeline.lineage.value import DIRECT, UNKNOWN
from pipeline.panel.keys import WORKING
from pipeline.panel.periods import number
from pipeline.plan.plan import Node
from pipeline.why.rows import Periods, Rows, Values, Where

_CHOOSING = ("filter", "join", UNKNOWN)
"""Ways in which columns decide whether there is a row."""

_PERIOD, _AT = f"{WORKING}period", f"{WORKING}at"

_FACT = f"{WORKING}fact"
"""What a fact is called beside the inputs of its stage."""

_MOST_VALUES = 10_000
"""Values of a column by which rows are looked up; of more, all are read."""


@dataclass(frozen=True)
class Step:
    """Rows that a stage has made columns of, or that decided whether it has a row."""

    stage: str
    transform: str
    columns: Sequence[str]
    """Those it made; empty where it has chosen rows."""
    given: str
    """The stage, or source, of the rows; ``fact`` if all rows have told them."""
    rows: pl.DataFrame
    settings: Mapping[str, Any]
    note: str


@dataclass(frozen=True)
class _Target:
    """Rows of a stage, and those of their columns whose values are to be explained."""

    rows: pl.DataFrame
    values: tuple[str, ...]


@dataclass
class Back:
    """The way back from some rows; the steps are in its order."""

    rows: Rows
    steps: list[Step] = field(default_factory=list[Step])
    sources: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    """The rows of sources that were come to, with their places."""
    unknown: list[str] = field(default_factory=list[str])
    """Stages of which Polars' plan does not tell what they do."""

    def follow(self, stage: str, rows: pl.DataFrame, values: Sequence[str]) -> None:
        """Go back from rows of a stage, that hold their key, to the sources."""
        plan = self.rows.plan
        self._names = self._told_by(stage, set(rows.columns) - {*values})
        targets: dict[str, list[_Target]] = {stage: [_Target(rows, tuple(values))]}
        for name in reversed(plan.nodes):
            node = plan.nodes[name]
            for target in _merged(targets.pop(name, [])):
                for given, found in self._step(node, target):
                    targets.setdefault(given, []).append(found)
        for name, found in targets.items():
            columns = {c for target in found for c in target.values}
            parts = [self._located(name, target, columns) for target in _merged(found)]
            self.sources[name] = pl.concat(parts).unique(maintain_order=True)

    def _told_by(self, stage: str, key: Collection[str]) -> dict[str, set[str]]:
        """Name the columns that tell rows of each stage before apart, as far as any."""
        plan = self.rows.plan
        names: dict[str, set[str]] = {stage: {*key}}
        for name in reversed(plan.nodes):
            if name not in names:
                continue
            node, handed = plan.nodes[name].stage, self.rows.carried(name)
            time = getattr(node.config, "time", None)
            for given in node.inputs:
                pairs = self.rows.pairs(name, given)
                found = {pairs[c] for c in names[name] if c in pairs}
                found |= {
                    handed[c].column
                    for c in names[name]
                    if c in handed and handed[c].stage == given
                }
                split = self.rows.split(name)
                of = plan.nodes[given].stage.key if given in plan.nodes else ()
                keys = split.keys if split else ()
                extra = {*of, *keys, *([time] if isinstance(time, str) else [])}
                schema = plan.schema(given)
                found |= {column for column in extra if column in schema}
                names[given] = names.get(given, set()) | found
        return names

    def _step(self, node: Node, target: _Target) -> Iterator[tuple[str, _Target]]:
        """Find the rows of a stage's inputs that some of its rows are made of."""
        name, handed = node.stage.name, self.rows.carried(node.stage.name)
        same = [c for c in target.values if c in handed]
        made = [c for c in target.values if c not in handed]
        for given in dict.fromkeys(handed[c].stage for c in same):
            columns = {
                c: handed[c].column
                for c in target.rows.columns
                if c in handed and handed[c].stage == given
            }
            rows = target.rows.select(pl.col(c).alias(g) for c, g in columns.items())
            values = tuple(handed[c].column for c in same if handed[c].stage == given)
            yield given, _Target(rows.unique(maintain_order=True), values)
        edges = [e for e in self.rows.plan.edges(name) if e.column in made]
        if any(edge.kind == UNKNOWN for edge in edges):
            self.unknown.append(name)
        looks = self._lookback(node)
        reach = sorted(made, key=lambda c: (_order(looks.get(c)), made.index(c)))
        for _, group in groupby(reach, key=lambda c: _order(looks.get(c))):
            columns = [*group]
            for given in node.stage.inputs:
                used = _inputs_of(edges, columns, given)
                if not used:
                    continue
                rows, note = self._made_of(node, given, target, columns, used, looks)
                self.steps.append(
                    Step(name, node.stage.transform.name, columns, given, rows, {}, note)
                )
                yield given, _Target(rows, tuple(used))
        self._decided(node, target)

    def _made_of(
        self,
        node: Node,
        given: str,
        target: _Target,
        columns: Sequence[str],
        used: Sequence[str],
        looks: Mapping[str, range],
    ) -> tuple[pl.DataFrame, str]:
        """Read the rows of an input that may matter for columns of some rows."""
        name, schema = node.stage.name, self.rows.plan.schema(given)
        names = [c for c in schema if c in {*self._names.get(given, ()), *used}]
        note = ""
        pairs = self.rows.pairs(name, given)
        if self._needs_fact(name, columns):
            pairs, note = {}, "a figure of all rows"
        elif not pairs:
            note = "the stage does not say which rows it looks at: all"
        on = {c: g for c, g in pairs.items() if c in target.rows.columns}
        where: dict[str, Values | Periods] = {}
        for c, g in on.items():
            found = frozenset(target.rows[c].unique().to_list())
            if len(found) <= _MOST_VALUES:
                where[g] = Values(found)
        look = looks.get(columns[0])
        time = getattr(node.stage.config, "time", None)
        if look is None or time not in target.rows.columns or time not in schema:
            rows = self._matching(given, where, names, target.rows, on)
            return rows, note
        by_row = getattr(node.stage.config, "by", "calendar") == "row"
        on = {c: g for c, g in on.items() if c != time}
        where = {g: test for g, test in where.items() if g != time}
        every = getattr(node.stage.config, "every", 1)
        period = number(time, every, schema[time]).cast(pl.Int64)
        asked = target.rows.with_columns(period.alias(_PERIOD))
        if by_row:
            rows = self._matching(given, where, [*names, time], target.rows, on)
            rows = _rows_up(rows.unique(), asked, [*on.values()], period, look)
            return rows.select(names), note
        first, last = asked[_PERIOD].min(), asked[_PERIOD].max()
        assert isinstance(first, int | None)
        assert isinstance(last, int | None)
        if first is None or last is None:
            return self._matching(given, where, names, target.rows, on), note
        where[time] = Periods(first - look[-1], last - look[0], every)
        rows = self._matching(given, where, [*names, time], target.rows, on)
        rows = rows.with_columns(period.alias(_PERIOD))
        asked = asked.select(*(pl.col(c).alias(g) for c, g in on.items()), _PERIOD)
        return _within(rows, asked.unique(), [*on.values()], look).select(names), note

    def _matching(
        self,
        given: str,
        where: Where,
        names: Sequence[str],
        rows: pl.DataFrame,
        on: Mapping[str, str],
    ) -> pl.DataFrame:
        """Read the rows of an input that agree with some rows of a stage."""
        found = self.rows.read(given, where, names)
        if on:
            asked = rows.select(pl.col(c).alias(g) for c, g in on.items()).unique()
            found = found.join(
                asked,
                on=[*on.values()],
                how="semi",
                nulls_equal=True,
                maintain_order="left",
            )
        return found.select(names)

    def _decided(self, node: Node, target: _Target) -> None:
        """Say what has decided that a stage has some rows, where it has left out any."""
        name, of = node.stage.name, node.stage
        edges = [
            edge
            for edge in self.rows.plan.edges(name)
            if edge.column is None and edge.kind in _CHOOSING
        ]
        if not edges or self.rows.keeps_rows(node):
            return
        settings = {
            key: value
            for key, value in msgspec.to_builtins(of.config).items()
            if value is not None and not isinstance(value, list | dict)
        }
        split = self.rows.split(name)
        if split and split.fact and not split.is_whole:
            fact = self.rows.fact(name).collect()
            on = [c for c in fact.columns if c in target.rows.columns]
            groups = [c for c in on if c in self.rows.pairs(name, of.inputs[0])]
            told = fact.join(
                target.rows.select(groups).unique(), on=groups, how="semi"
            ) if groups else fact
            self.steps.append(Step(name, of.transform.name, [], "fact", told, settings, ""))
            return
        looks = self._lookback(node)
        spans = {look for look in looks.values()}
        look = {"": spans.pop()} if len(spans) == 1 else {}
        for given in of.inputs:
            used = _inputs_of(edges, [None], given)
            if used:
                rows, note = self._made_of(node, given, target, [""], used, look)
                self.steps.append(
                    Step(name, of.transform.name, [], given, rows, settings, note)
                )

    def _needs_fact(self, stage: str, columns: Collection[str]) -> bool:
        """Tell whether values of columns depend on a fact of all rows."""
        split = self.rows.split(stage)
        if split is None or split.fact is None or split.fact.apply is None:
            return False
        of, config = self.rows.plan.nodes[stage].stage, None
        config, apply = of.config, split.fact.apply
        inputs = [(name, self.rows.plan.schema(name)) for name in of.inputs]
        empty = [pl.LazyFrame(schema=schema) for _, schema in inputs]
        fact = split.fact.merge(split.fact.partial(*empty, config), config)
        edges = trace_function(
            lambda *frames: apply(*frames, config),
            [*inputs, (_FACT, fact.collect_schema())],
            stage=stage,
        )
        return any(e.input == _FACT and e.column in columns for e in edges)

    def _lookback(self, node: Node) -> Mapping[str, range]:
        """Ask how far back the columns lie that a stage makes."""
        ask, config = node.stage.transform.lookback, node.stage.config
        is_by_row = getattr(config, "by", "") == "row"
        if ask is None or (is_by_row and getattr(config, "ahead", 1) > 1):
            return {}
        return ask(config)

    def _located(
        self, source: str, target: _Target, columns: Collection[str]
    ) -> pl.DataFrame:
        """Find the places of rows of a source, with these columns."""
        names = [c for c in target.rows.columns if c in self._names[source]]
        names = names or [*target.values]
        where = {
            name: Values(values)
            for name in names
            if len(values := frozenset(target.rows[name].to_list())) <= _MOST_VALUES
        }
        found = self.rows.read(source, where, {*self._names[source], *columns})
        asked = target.rows.select(names).unique()
        return found.join(
            asked, on=names, how="semi", nulls_equal=True, maintain_order="left"
        )


def _order(look: range | None) -> tuple[int, int, int]:
    """Put what looks back alike together."""
    return (look.start, look.stop, look.step) if look else (-1, 0, 0)


def _inputs_of(
    edges: Sequence[Edge], columns: Collection[str | None], given: str
) -> list[str]:
    """Name the columns of an input on which columns depend."""
    return list(
        dict.fromkeys(
            edge.input_column
            for edge in edges
            if edge.column in columns and edge.input == given
        )
    )


def _within(
    rows: pl.DataFrame, asked: pl.DataFrame, on: Sequence[str], look: range
) -> pl.DataFrame:
    """Keep the rows that lie so many periods before one that is asked of."""
    index = rows.with_row_index(_AT)
    pairs = asked.rename({_PERIOD: f"{_PERIOD}s"})
    if on:
        joined = index.join(pairs, on=on, nulls_equal=True)
    else:
        joined = index.join(pairs, how="cross")
    back = pl.col(f"{_PERIOD}s") - pl.col(_PERIOD)
    is_in = back.is_between(look[0], look[-1]) & ((back - look[0]) % look.step == 0)
    kept = joined.filter(is_in)[_AT].unique()
    return index.filter(pl.col(_AT).is_in(kept.implode())).drop(_AT)


def _rows_up(
    rows: pl.DataFrame,
    asked: pl.DataFrame,
    on: Sequence[str],
    period: pl.Expr,
    look: range,
) -> pl.DataFrame:
    """Keep the rows that stand so many rows above one that is asked of."""
    index = (
        rows.with_columns(period.alias(_PERIOD))
        .sort(*on, _PERIOD)
        .with_columns(pl.int_range(pl.len()).over(on).alias(_AT) if on else pl.int_range(pl.len()).alias(_AT))
    )
    at = index.join(asked.select(*on, _PERIOD).unique(), on=[*on, _PERIOD], nulls_equal=True)
    asked = at.select(*on, pl.col(_AT).alias(_PERIOD))
    return _within(index.drop(_PERIOD).rename({_AT: _PERIOD}), asked, on, look)


def _merged(targets: Sequence[_Target]) -> Iterator[_Target]:
    """Put rows together that are asked of the same columns."""
    alike: dict[tuple[tuple[str, ...], frozenset[str]], list[pl.DataFrame]] = {}
    for target in targets:
        key = target.values, frozenset(target.rows.columns)
        alike.setdefault(key, []).append(target.rows)
    for (values, _), frames in alike.items():
        rows = [frame.select(frames[0].columns) for frame in frames]
        yield _Target(pl.concat(rows).unique(maintain_order=True), values)
