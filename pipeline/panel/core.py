"""Polars' core: the package without Python's side of it, which makes plans.

To import that takes 0.2 CPU seconds, more than to answer most questions. Plans that it
has written are read and collected without it; whatever of the core is not where it was,
or as it was, is an error here, and the plan is to be made anew.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Rows:
    """A frame of the core's, as a stream of Arrow."""

    df: Any

    @property
    def height(self) -> int:
        """How many there are."""
        return self.df.height()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give them to who reads Arrow."""
        return self.df.__arrow_c_stream__(requested_schema)


def read_plan(plan: bytes) -> Any:
    """Read a plan as `polars.LazyFrame.serialize` writes it."""
    return _core().PyLazyFrame.deserialize_binary(io.BytesIO(plan))


def where(lf: Any, condition: str) -> Any:
    """Keep the rows for which an expression in SQL is true."""
    context = _core().PySQLContext.new()
    context.register("self", lf)
    return context.execute(f"SELECT * FROM self WHERE ({condition})")


def select(lf: Any, columns: Sequence[str]) -> Any:
    """Keep columns by their names."""
    return lf.select([_core().col(name) for name in columns])


def collect_head(lf: Any, limit: int | None) -> Rows:
    """Collect the first rows, or all."""
    few = lf if limit is None else lf.slice(0, limit)
    return Rows(few.collect("streaming", None))


def _core() -> Any:
    return import_module("_polars_runtime_32._polars_runtime")
