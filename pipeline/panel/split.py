"""How the rows a transformation is given may be split: declared beside its function.

As where each row is told what its entity had before, so that an entity's rows must be
together::

    def split(config: Config) -> Split:
        return Split(keys=tuple(config.keys))

A transformation that looks at one row at a time returns `ROW_WISE`. One that looks at
more, and cannot say at which, declares nothing, and is only run on all rows at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

EVER = 1 << 31
"""Ends the range of a `lookback` that goes back to the first period."""


@dataclass(frozen=True)
class Fact:
    """A small table of all rows, which a transformation needs beside some of them.

    Where ``f`` is the transformation, and ``parts`` are its rows in any split that its
    keys allow, these hold::

        fact = merge(concat(partial(part, config) for part in parts), config)
        f(lf, config) == concat(apply(part, fact, config) for part in parts)

    Attributes
    ----------
    partial : callable
        ``(lf, ..., config) -> LazyFrame``: what some rows have to do with it; small.
    merge : callable
        ``(partials, config) -> LazyFrame``: the table itself.
    apply : callable or None
        ``(lf, ..., fact, config) -> LazyFrame``; None if the table is the output.
    groups : tuple of str
        Columns of the table: each of its rows is of those rows only that agree with it
        in them. Empty if any row may matter.
    """

    partial: Callable[..., pl.LazyFrame]
    merge: Callable[..., pl.LazyFrame]
    apply: Callable[..., pl.LazyFrame] | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Which rows must stay together.

    Attributes
    ----------
    keys : tuple of str
        Columns, by any one of which the rows may be split: those that agree in it are
        then in one part. The transformation leaves its values as they are. Empty if
        any row may be apart from any other.
    fact : Fact or None
        What must be known of all rows.
    """

    keys: tuple[str, ...] = ()
    fact: Fact | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the output is a small table, which is never split."""
        return self.fact is not None and self.fact.apply is None


ROW_WISE = Split()
"""Each row of the output is made of one row."""
