"""What other rows add to some: one row per key, or the pass fails and says which."""

import re
from collections.abc import Sequence

import polars as pl

from pipeline.errors import SchemaError
from pipeline.panel.keys import WORKING

_N_ROWS = f"{WORKING}n_rows"
_MARK = "more than one row of "


def unique_by(lf: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Take the one row of each key, and fail when executed if there are several.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `keys`; rows with a null among them are left out.
    keys : sequence of str
        Columns that name a row together.

    Returns
    -------
    pl.LazyFrame
        The same rows, in any order.

    Raises
    ------
    polars.exceptions.InvalidOperationError
        When executed, if a key has several rows: see `repeated`.
    """
    text = [
        pl.concat_str(pl.lit(f"{key}="), pl.col(key).cast(pl.String)) for key in keys
    ]
    said = pl.concat_str(pl.lit(_MARK), pl.concat_str(text, separator=", "))
    # NOTE: A text is no number, and Polars says which text it was.
    is_unique = pl.when(pl.col(_N_ROWS) > 1).then(said).cast(pl.Int8).is_null()
    return (
        lf.drop_nulls(keys)
        .group_by(keys)
        .agg(pl.exclude(keys).first(), pl.len().alias(_N_ROWS))
        .filter(is_unique)
        .drop(_N_ROWS)
    )


def added_columns(
    lf: pl.LazyFrame,
    other: pl.LazyFrame,
    keys: Sequence[str],
    columns: Sequence[str] | None,
) -> list[str]:
    """Say which columns of another frame are added to one; None is all but the keys.

    Raises
    ------
    SchemaError
        If a column is in both, or a key is of another dtype in the other.
    """
    ours = lf.collect_schema()
    theirs = other.select(*keys, pl.exclude(keys)).collect_schema()
    for key, dtype in lf.select(keys).collect_schema().items():
        if dtype != theirs[key]:
            raise SchemaError(
                f"key '{key}' is {dtype} in the first input and {theirs[key]} in the"
                " second\nhint: give it the same kind in both"
            )
    added = [name for name in theirs if name not in keys]
    if columns is not None:
        added = other.select(columns).collect_schema().names()
    shared = [name for name in added if name in ours]
    if shared:
        raise SchemaError(
            f"both inputs have a column '{shared[0]}'\n"
            "hint: say under `columns` which to add, or drop one of the two before"
        )
    return added


def repeated(error: Exception) -> SchemaError | None:
    """Say which key was not unique, if that is why a pass failed."""
    found = re.search(rf'"({_MARK}[^"]*)"', str(error))
    if found is None:
        return None
    return SchemaError(
        "a join expects one row of each key in its second input\n"
        f"found: {found[1]}\n"
        "hint: make one row of each before, as with `aggregate` or `latest_values`"
    )
