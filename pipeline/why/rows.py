"""Rows of any stage that agree with some values, computed of no more than they need.

What was published is read; other stages are applied to the rows that their `split` says
suffice, beside facts of all rows. Columns on which nothing that is asked for depends
are null then, so that nothing is read or joined for them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import polars as pl

from pipeline.engine.parts.declared import apply_split, split_of
from pipeline.errors import ConfigError
from pipeline.lineage.carried import carried
from pipeline.lineage.graph import Column, Edge
from pipeline.lineage.value import DIRECT
from pipeline.panel.periods import Every, number
from pipeline.panel.split import Split
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import Settings
from pipeline.sources.located import PLACE, locate
from pipeline.why.places import Places


@dataclass(frozen=True)
class Values:
    """That a column holds one of these, null among them."""

    of: frozenset[object]

    def test(self, column: str, dtype: pl.DataType) -> pl.Expr:
        """Make an expression of it."""
        found = [value for value in self.of if value is not None]
        is_in = pl.col(column).is_in(pl.Series(found, dtype=dtype).implode())
        return is_in | pl.col(column).is_null() if None in self.of else is_in


@dataclass(frozen=True)
class Periods:
    """That a time lies in one of these periods, by their numbers."""

    first: int
    last: int
    every: Every

    def test(self, column: str, dtype: pl.DataType) -> pl.Expr:
        """Make an expression of it."""
        return number(column, self.every, dtype).is_between(self.first, self.last)


Where: TypeAlias = Mapping[str, Values | Periods]
"""What holds of columns; of the others, any value does."""


@dataclass(eq=False)
class Rows:
    """The rows of the newest run's stages."""

    settings: Settings
    plan: Plan
    published: Mapping[str, pl.LazyFrame]
    """All rows of stages, of those that are published."""
    n_rows: Mapping[str, int | None]
    """As the runs have counted them."""
    exact: bool
    """Whether the sources' cells must be mended as they are read."""
    places: Places
    _read: list[tuple[str, Where, pl.DataFrame]] = field(default_factory=list)

    def read(self, stage: str, where: Where, columns: Collection[str]) -> pl.DataFrame:
        """Read the rows of a stage; those of a source with their places."""
        if stage in self.plan.sources:
            return self._located(stage, where, columns)
        names = list(dict.fromkeys([*columns, *where]))
        rows = self._rows(stage, where, names).filter(self._test(stage, where))
        return rows.select(names).collect()

    @cache  # noqa: B019 # as long as the command
    def split(self, stage: str) -> Split | None:
        """Ask how the rows of a stage may be split; None where nobody says."""
        try:
            return split_of(self.plan.nodes[stage].stage)
        except ConfigError:
            return None

    @cache  # noqa: B019
    def carried(self, stage: str) -> Mapping[str, Column]:
        """Tell which columns a stage hands on row by row."""
        of = self.plan.nodes[stage].stage
        return carried(of.apply, [(name, self.plan.schema(name)) for name in of.inputs])

    def pairs(self, stage: str, given: str) -> dict[str, str]:
        """Name columns of a stage, and those of an input its rows must agree with.

        Other rows of the input have nothing to do with a row of the stage, but for
        facts. Without a pair, any row may have.
        """
        split = self.split(stage)
        if split is None:
            return {}
        schema, there = self.plan.schema(stage), self.plan.schema(given)
        if split.keys or split.is_whole:
            groups = split.fact.groups if split.fact else ()
            keys = groups if split.is_whole else split.keys
            return {key: key for key in keys if key in schema and key in there}
        of: dict[str, list[Edge]] = {}
        for edge in self.plan.edges(stage):
            if edge.input == given and edge.column is not None:
                of.setdefault(edge.column, []).append(edge)
        return {
            column: edges[0].input_column
            for column, edges in of.items()
            if [edge.kind for edge in edges] == [DIRECT[0]]
        }

    def keeps_rows(self, node: Node) -> bool:
        """Tell whether a stage has as many rows as its first input has."""
        n_rows = self.n_rows.get(node.stage.name)
        return n_rows is not None and n_rows == self.n_rows.get(node.stage.inputs[0])

    def fact(self, stage: str) -> pl.LazyFrame:
        """Make the fact of a stage, of all rows."""
        of, split = self.plan.nodes[stage].stage, self.split(stage)
        assert split is not None, "it was asked before"
        assert split.fact is not None, "it was asked before"
        inputs = [self._rows(name, {}, self.plan.schema(name)) for name in of.inputs]
        return split.fact.merge(split.fact.partial(*inputs, of.config), of.config)

    def _rows(self, stage: str, where: Where, columns: Collection[str]) -> pl.LazyFrame:
        """Give rows of a stage, all of those asked for among them, and these columns.

        More columns may be there, and hold null.
        """
        if stage in self.plan.sources:
            return self._located(stage, where, columns).lazy()
        if stage in self.published:
            return self.published[stage].filter(self._test(stage, where))
        node, split = self.plan.nodes[stage], self.split(stage)
        handed = self.carried(stage)
        if handed.keys() >= {*columns} and self.keeps_rows(node):
            given = node.stage.inputs[0]
            on = {handed[c].column: test for c, test in where.items()}
            rows = self._rows(given, on, {handed[c].column for c in columns})
            return rows.select(pl.col(handed[c].column).alias(c) for c in columns)
        inputs: list[pl.LazyFrame] = []
        for given in node.stage.inputs:
            needed = {
                edge.input_column
                for edge in self.plan.edges(stage)
                if edge.input == given and edge.column in (None, *columns)
            }
            on = {
                theirs: where[ours]
                for ours, theirs in self.pairs(stage, given).items()
                if ours in where
            }
            rows = self._rows(given, on, needed | {*on})
            inputs.append(self.filled(rows, given, needed | {*on}))
        if split is None or split.fact is None or split.is_whole:
            return node.stage.apply(*inputs)
        return apply_split(node.stage, inputs, {stage: self.fact(stage)})

    def filled(
        self, rows: pl.LazyFrame, stage: str, known: Collection[str]
    ) -> pl.LazyFrame:
        """Give all columns of a stage, those that are not needed without values."""
        return rows.select(
            pl.col(name) if name in known else pl.lit(None, dtype).alias(name)
            for name, dtype in self.plan.schema(stage).items()
        )

    def _test(self, stage: str, where: Where) -> pl.Expr:
        """Make one expression of all that must hold."""
        schema = self.plan.schema(stage)
        tests = (test.test(name, schema[name]) for name, test in where.items())
        return pl.all_horizontal(pl.lit(True), *tests)

    def _located(
        self, source: str, where: Where, columns: Collection[str]
    ) -> pl.DataFrame:
        """Read rows of a source, once where what is read before holds them."""
        names = [c for c in self.plan.schema(source) if c in {*columns, *where}]
        test = self._test(source, where)
        for name, wider, found in self._read:
            is_wider = wider.items() <= where.items()
            if name == source and is_wider and {*names} <= {*found.columns}:
                return found.filter(test).select(*names, *PLACE)
        found = None if self.exact else self.places.locate(source, test, names)
        if found is None:
            config, root = self.settings.sources[source], self.settings.root
            found = locate(config, root, test, names, exact=self.exact)
        self._read.append((source, where, found))
        return found
