"""Plans that are composed once, on frames that are filled in later.

A plan of a few hundred rows takes Polars up to a tenth of a second, of which the rows
take least: most is to compose, to resolve and to optimize it. The first two need not be
done again, and the last saves nothing.
"""

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

_MANY = 1 << 16
"""Rows, of which a plan is worth to be optimized."""

_AS_IT_IS = pl.QueryOptFlags.none()

_Schema: TypeAlias = tuple[tuple[str, pl.DataType], ...]


class Frames:
    """Frames by name, and lazy ones that read them when they are collected."""

    def __init__(self) -> None:
        self.filled: dict[str, pl.DataFrame] = {}

    def lazy(self, name: str, schema: pl.Schema) -> pl.LazyFrame:
        """Stand for what will be filled in under a name."""

        def source(*_: object) -> Iterator[pl.DataFrame]:
            yield self.filled[name]

        return register_io_source(source, schema=schema)


def resolved(lf: pl.LazyFrame) -> pl.LazyFrame:
    """Let Polars resolve a plan now, not each time it is collected."""
    lf.collect_schema()  # keeps what it resolved
    return lf


def collected(lf: pl.LazyFrame) -> pl.DataFrame:
    """Collect a plan of few rows, at which optimizing takes longest."""
    return lf.collect(engine="in-memory", optimizations=_AS_IT_IS)


def composed(function: Callable[..., pl.LazyFrame]) -> Callable[..., pl.DataFrame]:
    """Make a function of frames of one of lazy frames; settings may follow these.

    Of few rows it composes one plan for frames of the same columns.
    """

    @lru_cache(maxsize=32)
    def plan(
        schemas: tuple[_Schema, ...], settings: tuple[Hashable, ...]
    ) -> tuple[Frames, pl.LazyFrame, Lock]:
        frames = Frames()
        given = [frames.lazy(str(i), pl.Schema(s)) for i, s in enumerate(schemas)]
        return frames, resolved(function(*given, *settings)), Lock()

    @wraps(function)
    def collect(*given: Any) -> pl.DataFrame:
        dfs = [one for one in given if isinstance(one, pl.DataFrame)]
        settings = given[len(dfs) :]
        if any(df.height > _MANY for df in dfs):
            return function(*(df.lazy() for df in dfs), *settings).collect()
        schemas = tuple(tuple(df.schema.items()) for df in dfs)
        frames, lf, lock = plan(schemas, settings)
        with lock:
            frames.filled |= {str(i): df for i, df in enumerate(dfs)}
            try:
                return collected(lf)
            finally:
                frames.filled.clear()

    return collect
