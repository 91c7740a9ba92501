"""What transformations say of how their rows may be split: asked, and tried."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import polars as pl

from pipeline.errors import ConfigError, nearest
from pipeline.panel.split import ROW_WISE, Fact, Split
from pipeline.plan.settings import Stage

RUN_WHOLE = "run it whole: engine=polars engine.partitions=1"

_SPLIT = "a function `split(config) -> Split` beside the transformation"

_SIGNATURES = {
    "partial": "partial(lf, ..., config) -> LazyFrame",
    "merge": "merge(partials, config) -> LazyFrame",
    "apply": "apply(lf, ..., fact, config) -> LazyFrame",
}


def split_of(stage: Stage) -> Split:
    """Ask a stage's transformation how its rows may be split."""
    ask = stage.transform.split
    if ask is None:
        raise _refusal(stage, "does not say how its rows may be split", "", _SPLIT)
    try:
        said = ask(stage.config)
    except Exception as error:
        raise _refusal(stage, "`split` fails", _first_line(error), _SPLIT) from error
    if not isinstance(said, Split):
        found = f"a value of type {type(said).__name__}"
        raise _refusal(stage, "`split` gives no Split", found, _SPLIT)
    keys, fact = cast("object", said.keys), cast("object", said.fact)
    if not isinstance(keys, tuple) or not all(
        isinstance(key, str) for key in cast("tuple[object, ...]", keys)
    ):
        raise _refusal(
            stage,
            "the `keys` of its Split are no column names",
            f"keys={said.keys!r}",
            "a tuple of names, such as keys=('store',)",
        )
    if not isinstance(fact, Fact | None):
        raise _refusal(
            stage,
            "the `fact` of its Split is none",
            f"a value of type {type(said.fact).__name__}",
            "Fact(partial, merge, apply), or None",
        )
    return said


def is_row_wise(stage: Stage) -> bool:
    """Tell whether a stage's transformation says that any row may be apart."""
    try:
        return split_of(stage) == ROW_WISE
    except ConfigError:
        return False


def try_split(
    stage: Stage, split: Split, inputs: Sequence[pl.Schema], output: pl.Schema
) -> None:
    """Refuse a split that cannot be true of a stage's columns; no row is read.

    That is where a key is no column of an input, a function of the fact fails on empty
    frames, or what they make together has other columns than the transformation.
    """
    for name, schema in zip(stage.inputs, inputs, strict=True):
        for key in split.keys:
            if key not in schema:
                raise _refusal(
                    stage,
                    f"rows that agree in '{key}' should stay together, which is no"
                    f" column of '{name}'{nearest(key, schema)}",
                    ", ".join(schema),
                    "`keys` that every input has",
                )
    fact = split.fact
    if fact is None:
        return
    frames, config = [pl.LazyFrame(schema=schema) for schema in inputs], stage.config
    share = _try(stage, "partial", fact.partial, *frames, config)
    made = _try(stage, "merge", fact.merge, share, config)
    if fact.apply is not None:
        made = _try(stage, "apply", fact.apply, *frames, made, config)
    columns = made.collect_schema()
    if columns != output:
        raise _refusal(
            stage,
            "the fact of its Split does not make what the transformation makes",
            _described(columns),
            _described(output),
        )


def apply_split(
    stage: Stage, inputs: Sequence[pl.LazyFrame], facts: Mapping[str, pl.LazyFrame]
) -> pl.LazyFrame:
    """Apply a stage to some of its rows, with the fact it needs."""
    fact = split_of(stage).fact
    if fact is None:
        return stage.apply(*inputs)
    assert fact.apply is not None, "a small table is not made part by part"
    return fact.apply(*inputs, facts[stage.name], stage.config)


def _try(
    stage: Stage, part: str, function: Callable[..., object], *given: object
) -> pl.LazyFrame:
    """Call a function of a fact; give an empty frame of the columns it makes."""
    try:
        made = function(*given)
        if not isinstance(made, pl.LazyFrame):
            raise TypeError(f"gives a {type(made).__name__}")
        return pl.LazyFrame(schema=made.collect_schema())
    except Exception as error:
        raise _refusal(
            stage,
            f"`{part}` of its Split's fact fails",
            _first_line(error),
            _SIGNATURES[part],
        ) from error


def _described(schema: pl.Schema) -> str:
    """List columns with their dtypes."""
    return ", ".join(f"{name} ({dtype})" for name, dtype in schema.items())


def _first_line(error: Exception) -> str:
    """Say what a user's function has raised, in a line."""
    what = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {what}" if what else type(error).__name__


def _refusal(stage: Stage, fault: str, found: str, expected: str) -> ConfigError:
    """Say what is wrong with what a stage's transformation says."""
    return ConfigError(
        f"{stage.place}: {fault}\n"
        + (f"found: {found}\n" if found else "")
        + f"expected: {expected}\n"
        f"hint: see `pipeline/panel/split.py`, or {RUN_WHOLE}"
    )
