"""From rows of a stage back, stage by stage, to the rows they are made of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import polars as pl
import polars.selectors as cs

from pipeline.errors import some
from pipeline.lineage.graph import Column, Edge
from pipeline.lineage.trace import trace_function
from pipeline.lineage.value import DIRECT, UNKNOWN
from pipeline.panel.keys import WORKING
from pipeline.panel.periods import Every, label, number
from pipeline.panel.split import ROW_WISE
from pipeline.plan.plan import Node
from pipeline.progress import each
from pipeline.sources.located import PLACE
from pipeline.why.rows import Periods, Rows, Values, Where

_CHOOSING = ("filter", "join", UNKNOWN)
"""Ways in which columns decide whether there is a row."""

_PERIOD, _OWN, _AT = (f"{WORKING}{name}" for name in ("period", "own", "at"))
_MIN, _MAX = pl.col(_PERIOD).min(), pl.col(_PERIOD).max()

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
    """Those it made; none where it has chosen rows."""
    given: str
    """The stage, or source, of the rows; ``fact`` if all rows have told them."""
    rows: pl.DataFrame
    settings: Mapping[str, Any]
    note: str
    decides: bool = False
    """Whether what it made, or chose, only decides which rows there are."""


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
    deciding: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    """The rows of sources of which what decides was joined, with their places."""
    unknown: list[str] = field(default_factory=list[str])
    """Stages of which Polars' plan does not tell what they do."""

    def follow(self, stage: str, rows: pl.DataFrame, values: Sequence[str]) -> None:
        """Go back from rows of a stage, that hold their key, to the sources."""
        plan = self.rows.plan
        self._names = self._told_by(stage, rows.columns)
        targets: dict[str, list[_Target]] = {stage: [_Target(rows, tuple(values))]}
        for name in each([*reversed(plan.nodes)], "going back: stage"):
            node = plan.nodes[name]
            for target in _merged(targets.pop(name, [])):
                for given, found in self._step(node, self._grouped(node, target)):
                    targets.setdefault(given, []).append(found)
        for name, found in targets.items():
            columns = {c for target in found for c in target.values}
            parts = [self._located(name, target, columns) for target in _merged(found)]
            self.sources[name] = pl.concat(parts).unique(maintain_order=True)

    def _told_by(self, stage: str, key: Collection[str]) -> dict[str, set[str]]:
        """Name the columns that tell rows of each stage before apart, as far as any.

        Keys of snapshots, what rows are kept together by, and what filters look at: a
        row that was left out differs in that.
        """
        plan = self.rows.plan
        names: dict[str, set[str]] = {stage: {*key}}
        for name in reversed(plan.nodes):
            if name not in names:
                continue
            for given in plan.nodes[name].stage.inputs:
                of = plan.nodes[given].stage.key if given in plan.nodes else ()
                found = {*of} | self._told_before(name, given, names[name])
                names.setdefault(given, set()).update(found)
        for name in plan.nodes:
            for column, at in self.rows.carried(name).items() if name in names else ():
                if at.column in names[at.stage]:
                    names[name].add(column)
        return names

    def _told_before(self, name: str, given: str, told: Collection[str]) -> set[str]:
        """Name what tells rows of an input apart, where columns do a stage's."""
        plan, node, split = (
            self.rows.plan,
            self.rows.plan.nodes[name],
            self.rows.split(name),
        )
        pairs, handed = self.rows.pairs(name, given), self.rows.carried(name)
        found: set[str] = {pairs[c] for c in told if c in pairs}
        found |= {
            handed[c].column for c in told if c in handed and handed[c].stage == given
        }
        kept = [_clock(node)[0], *(split.keys if split else ())]
        kept += split.fact.groups if split and split.fact else ()
        found |= {column for column in kept if column in plan.schema(given)}
        if split == ROW_WISE:
            lost = [c for c in told if c not in handed]
            found |= {*self._inputs_of(node, lost, given)}
        if split == ROW_WISE and not self.rows.keeps_rows(node):
            found |= {
                edge.input_column
                for edge in plan.edges(name)
                if edge.column is None
                and edge.kind in _CHOOSING
                and edge.input == given
            }
        return found

    def _step(self, node: Node, target: _Target) -> Iterator[tuple[str, _Target]]:
        """Find the rows of a stage's inputs that some of its rows are made of."""
        name, handed = node.stage.name, self.rows.carried(node.stage.name)
        made = [c for c in target.values if c not in handed]
        if lost := self._lost(node, target):
            for given in node.stage.inputs:
                of = self._inputs_of(node, [*lost, *target.values], given)
                rows, _ = self._made_of(node, given, target, lost, of)
                same = [handed[c] for c in target.values if c in handed]
                values = tuple(at.column for at in same if at.stage == given)
                if values:
                    yield given, _Target(rows, values)
        else:
            yield from _handed_on(target, handed)
        edges = [e for e in self.rows.plan.edges(name) if e.column in made]
        if any(edge.kind == UNKNOWN for edge in edges):
            self.unknown.append(name)
        alike: dict[range | None, list[str]] = {}
        for column in made:
            alike.setdefault(self._lookback(node, [column]), []).append(column)
        for columns in alike.values():
            for given in node.stage.inputs:
                if used := _inputs_of(edges, columns, given):
                    rows, note = self._made_of(node, given, target, columns, used)
                    of = node.stage.transform.name
                    self.steps.append(Step(name, of, columns, given, rows, {}, note))
                    yield given, _Target(rows, self._worth(node, columns, used))
        self._decided(node, target)

    def _grouped(self, node: Node, target: _Target) -> _Target:
        """Add the columns by which a stage keeps rows together, as the rows hold them.

        Left out where they are not the stage's any more, or the rows are still to come.
        """
        name, handed = node.stage.name, self.rows.carried(node.stage.name)
        split = self.rows.split(name)
        kept = split.keys if split else ()
        lacking = [c for c in kept if c not in target.rows.columns and c in handed]
        on = [c for c in target.rows.columns if c in handed]
        if not lacking or not on:
            return target
        asked = target.rows.select(on).unique()
        own = self.rows.read(name, _where(asked), [*on, *lacking]).unique()
        rows = target.rows.join(own, on=on, how="inner", nulls_equal=True)
        is_there = rows.select(on).unique().height == asked.height
        return _Target(rows, target.values) if is_there else target

    def _lost(self, node: Node, target: _Target) -> list[str]:
        """Name what tells rows apart, and was made of each of them by this stage."""
        name = node.stage.name
        if self.rows.split(name) != ROW_WISE:
            return []
        told, handed = self._names[name], self.rows.carried(name)
        return [c for c in target.rows.columns if c in told and c not in handed]

    def _inputs_of(self, node: Node, columns: Collection[str], given: str) -> list[str]:
        """Name the columns of an input on which some of a stage's depend."""
        return _inputs_of(self.rows.plan.edges(node.stage.name), columns, given)

    def _worth(
        self, node: Node, columns: Sequence[str], used: Sequence[str]
    ) -> tuple[str, ...]:
        """Leave out what only says which rows belong together, and when they are of.

        That rows have such a key is what decides that they are there.
        """
        split, look = self.rows.split(node.stage.name), self._lookback(node, columns)
        keys = {*(split.keys if split else ()), *(_clock(node)[:1] if look else ())}
        return tuple(c for c in used if c not in keys) or tuple(used)

    def _made_of(
        self,
        node: Node,
        given: str,
        target: _Target,
        columns: Sequence[str],
        used: Collection[str],
    ) -> tuple[pl.DataFrame, str]:
        """Read the rows of an input that may matter for columns of some rows."""
        name, schema = node.stage.name, self.rows.plan.schema(given)
        lost = self._inputs_of(node, self._lost(node, target), given)
        asked = {*self._names.get(given, ()), *used, *lost}
        names = [column for column in schema if column in asked]
        pairs = self.rows.pairs(name, given)
        look, (time, every) = self._lookback(node, columns), _clock(node)
        if look and given != node.stage.inputs[-1]:
            look = range(1)
        is_of_all = self._needs_fact(name, columns)
        note = _note(pairs, {*target.rows.columns, time}, is_of_all=is_of_all)
        pairs = {} if is_of_all else pairs
        on = {c: g for c, g in pairs.items() if c in target.rows.columns}
        asked = target.rows.select(pl.col(c).alias(g) for c, g in on.items()).unique()
        if look is None or time not in target.rows.columns or time not in schema:
            rows = self._matching(given, _where(asked), names, asked)
            return self._those_of(node, given, target, rows), note
        period = number(time, every, schema[time]).cast(pl.Int64).alias(_PERIOD)
        on = {c: g for c, g in on.items() if c != time}
        others = [pl.col(c).alias(g) for c, g in on.items()]
        at = target.rows.select(*others, period).drop_nulls(_PERIOD).unique()
        asked, where = at.drop(_PERIOD), _where(at.drop(_PERIOD))
        if _is_by_row(node):
            rows = self._matching(given, where, names, asked).with_columns(period)
            return _rows_up(rows, at, look).select(names), note
        first, last = (int(n) for n in at.select(f=_MIN, l=_MAX).fill_null(0).row(0))
        where[time] = Periods(first - look[-1], last - look[0], every)
        rows = self._matching(given, where, names, asked).with_columns(period)
        return _within(rows, at, look).select(names), note

    def _those_of(
        self, node: Node, given: str, target: _Target, rows: pl.DataFrame
    ) -> pl.DataFrame:
        """Keep the rows of which a stage, applied again, makes rows asked for.

        Of one that looks at one row at a time, and hands on what it does not know.
        """
        lost, inputs = self._lost(node, target), node.stage.inputs
        if not lost or len(inputs) > 1:
            return rows
        index = rows.with_row_index(_AT)
        filled = self.rows.filled(index.lazy(), given, rows.columns)
        made = node.stage.apply(filled.with_columns(index[_AT]))
        if _AT not in made.collect_schema():
            return rows
        asked = target.rows.select(lost).unique()
        own = made.select(_AT, *lost).collect()
        kept = own.join(asked, on=lost, how="semi", nulls_equal=True)[_AT]
        return index.filter(pl.col(_AT).is_in(kept.implode())).drop(_AT)

    def _matching(
        self, given: str, where: Where, names: Sequence[str], asked: pl.DataFrame
    ) -> pl.DataFrame:
        """Read the rows of an input that agree with one that is asked for."""
        rows = self.rows.read(given, where, names)
        if asked.width:
            rows = rows.join(
                asked,
                on=asked.columns,
                how="semi",
                nulls_equal=True,
                maintain_order="left",
            )
        return rows

    def _decided(self, node: Node, target: _Target) -> None:
        """Say what has decided that there are rows, where a stage leaves out any."""
        name, of = node.stage.name, node.stage
        edges = [
            edge
            for edge in self.rows.plan.edges(name)
            if edge.column is None and edge.kind in _CHOOSING
        ]
        if not edges or self.rows.keeps_rows(node):
            return
        settings = _settings(node)
        split = self.rows.split(name)
        if split and split.fact and not split.is_whole:
            told = self._told(node, split.fact.groups, target)
            step = Step(name, of.transform.name, [], "fact", told, settings, "", True)
            self.steps.append(step)
            return
        for given in of.inputs:
            used = _inputs_of(edges, [None], given)
            if used:
                rows, note = self._made_of(node, given, target, [], used)
                self.steps.append(
                    Step(name, of.transform.name, [], given, rows, settings, note, True)
                )
                joined = [c for c in used if self._is_joined(given, c)]
                if given != of.inputs[0] or joined:
                    self._follow_decided(given, rows, joined or used)

    def _told(self, node: Node, groups: Sequence[str], target: _Target) -> pl.DataFrame:
        """Give what all rows tell a stage, of the groups that rows are of, in order."""
        told = self.rows.fact(node.stage.name).collect()
        told = told.sort(~cs.nested())
        if groups and {*groups} <= {*target.rows.columns}:
            asked = target.rows.select(groups).unique()
            told = told.join(asked, on=groups, how="semi", nulls_equal=True)
        return self._dated(node, told)

    def _dated(self, node: Node, told: pl.DataFrame) -> pl.DataFrame:
        """Write periods that a fact counts, in working columns, as their times."""
        time, every = _clock(node)
        schema = self.rows.plan.schema(node.stage.inputs[0])
        counted = [c for c in told.columns if c.startswith(WORKING)]
        if time not in schema:
            return told
        return told.with_columns(
            label(pl.col(c), every, schema[time]).alias(c) for c in counted
        ).rename({c: c.removeprefix(WORKING) for c in counted})

    def _follow_decided(
        self, given: str, rows: pl.DataFrame, columns: Sequence[str]
    ) -> None:
        """Follow columns that decide, and come from another input than the rows."""
        found = Back(self.rows)
        found.follow(given, rows.select(pl.exclude(PLACE)), columns)
        for step in found.steps:
            is_join = len(self.rows.plan.nodes[step.stage].stage.inputs) > 1
            if step.columns and is_join:
                self.steps.append(replace(step, decides=True))
        for name, places in (found.sources | found.deciding).items():
            self.deciding[name] = places

    def _is_joined(self, stage: str, column: str) -> bool:
        """Tell whether a stage's column is made of other than first inputs."""
        plan = self.rows.plan
        found = {(stage, column)}
        for edge in reversed(plan.lineage().edges):
            if edge.kind in DIRECT and (edge.stage, edge.column) in found:
                if edge.input != plan.nodes[edge.stage].stage.inputs[0]:
                    return True
                found.add((edge.input, edge.input_column))
        return False

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

    def _lookback(self, node: Node, columns: Sequence[str]) -> range | None:
        """Ask how far back lies what columns are made of; of none, what any is.

        None if that is not said, or is not the same of all.
        """
        ask, config = node.stage.transform.lookback, node.stage.config
        if ask is None or (_is_by_row(node) and getattr(config, "ahead", 1) > 1):
            return None
        looks = ask(config)
        found = {looks.get(c) for c in columns or looks}
        return found.pop() if len(found) == 1 else None

    def _located(
        self, source: str, target: _Target, columns: Collection[str]
    ) -> pl.DataFrame:
        """Find the places of rows of a source, with these columns."""
        told = self._names[source]
        names = [c for c in target.rows.columns if c in told] or [*target.values]
        asked = target.rows.select(names).unique()
        return self._matching(source, _where(asked), [*{*told, *columns}], asked)


def _settings(node: Node) -> dict[str, Any]:
    """Take the values of a stage that stand in a line."""
    return {
        key: value
        for key, value in msgspec.to_builtins(node.stage.config).items()
        if value is not None and not isinstance(value, list | dict)
    }


def _note(pairs: Mapping[str, str], known: Collection[str], *, is_of_all: bool) -> str:
    """Say of rows that were found why there may be more than matter."""
    if is_of_all:
        return "a figure of all rows"
    if not pairs:
        return "the stage does not say which rows it looks at: all"
    lacking = [column for column in pairs if column not in known]
    return f"some of these, of the same {some(lacking)}" if lacking else ""


def _where(asked: pl.DataFrame) -> dict[str, Values | Periods]:
    """Say what columns of the rows that are asked for hold, where that is not much."""
    return {
        column.name: Values(values)
        for column in asked
        if len(values := frozenset(column.to_list())) <= _MOST_VALUES
    }


def _is_by_row(node: Node) -> bool:
    """Tell whether the past is counted in rows."""
    return getattr(node.stage.config, "by", "calendar") == "row"


def _clock(node: Node) -> tuple[str, Every]:
    """Name a stage's time, if it has one, and the length of a period."""
    config = node.stage.config
    return getattr(config, "time", ""), getattr(config, "every", 1)


def _handed_on(
    target: _Target, handed: Mapping[str, Column]
) -> Iterator[tuple[str, _Target]]:
    """Name columns of rows as the inputs do that they are handed on from."""
    here = [c for c in target.rows.columns if c in handed]
    for given in {handed[c].stage: None for c in target.values if c in handed}:
        of = {c: handed[c].column for c in here if handed[c].stage == given}
        # Two columns may be of one.
        rows = target.rows.select(pl.col(c).alias(g) for g, c in _flipped(of).items())
        values = dict.fromkeys(of[c] for c in target.values if c in of)
        yield given, _Target(rows.unique(maintain_order=True), tuple(values))


def _flipped(names: Mapping[str, str]) -> dict[str, str]:
    """Look names up the other way."""
    return {value: name for name, value in names.items()}


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


def _within(rows: pl.DataFrame, asked: pl.DataFrame, look: range) -> pl.DataFrame:
    """Keep the rows that lie so many periods before one that is asked of."""
    index, on = rows.with_row_index(_AT), [c for c in asked.columns if c != _PERIOD]
    own = asked.rename({_PERIOD: _OWN})
    joined = (
        index.join(own, on=on, nulls_equal=True) if on else index.join(own, how="cross")
    )
    back = pl.col(_OWN) - pl.col(_PERIOD)
    is_in = back.is_between(look[0], look[-1]) & ((back - look[0]) % look.step == 0)
    kept = joined.filter(is_in)[_AT].unique()
    return index.filter(pl.col(_AT).is_in(kept.implode())).drop(_AT)


def _rows_up(rows: pl.DataFrame, asked: pl.DataFrame, look: range) -> pl.DataFrame:
    """Keep the rows that stand so many rows above one that is asked of."""
    on = [c for c in asked.columns if c != _PERIOD]
    index = rows.sort(*on, _PERIOD).with_columns(
        pl.int_range(pl.len()).over(on or pl.lit(0)).alias(_OWN)
    )
    own = index.join(asked, on=[*on, _PERIOD], nulls_equal=True)
    counted = index.drop(_PERIOD).rename({_OWN: _PERIOD})
    return _within(counted, own.select(*on, pl.col(_OWN).alias(_PERIOD)), look)


def _merged(targets: Sequence[_Target]) -> Iterator[_Target]:
    """Put rows together that are asked of the same columns."""
    alike: dict[tuple[tuple[str, ...], frozenset[str]], list[pl.DataFrame]] = {}
    for target in targets:
        key = target.values, frozenset(target.rows.columns)
        alike.setdefault(key, []).append(target.rows)
    for (values, _), frames in alike.items():
        rows = [frame.select(frames[0].columns) for frame in frames]
        yield _Target(pl.concat(rows).unique(maintain_order=True), values)
