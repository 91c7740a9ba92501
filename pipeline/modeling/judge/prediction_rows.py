"""What rows of predictions must be like before they are measured."""

from collections.abc import Sequence

import polars as pl

from pipeline.errors import ContractError, SchemaError, nearest

# A model has diverged whose predictions are beyond both,
_LARGE = 1e11
_TIMES_Y = 1_000
# and nothing can be measured whose squares are no floats.
_LARGEST = 1e140

_SUFFIX = " of the reference"


def checked(
    predictions: pl.DataFrame,
    *,
    ids: Sequence[str],
    numbers: Sequence[str],
    others: Sequence[str],
) -> pl.DataFrame:
    """Refuse predictions that cannot be measured, and take their numbers as Float64.

    Parameters
    ----------
    predictions : pl.DataFrame
        A row per model and test row.
    ids : sequence of str
        Columns without nulls, such as the model and the cluster.
    numbers : sequence of str
        Columns of finite numbers, `y` among them, of 1e11 or 1,000 times the largest
        `y` at most either way; `lower` and `upper` may be null.
    others : sequence of str
        Columns that need only be there.

    Returns
    -------
    pl.DataFrame
        The columns asked for.

    Raises
    ------
    SchemaError
        If a column is missing or not a number.
    ContractError
        If there are no rows, or nulls, numbers that are not finite or numbers that are
        too large where none may be: each column with its count.
    """
    columns = list(dict.fromkeys([*ids, *numbers, *others]))
    schema = predictions.schema
    missing = [c for c in columns if c not in schema]
    if missing:
        raise SchemaError(
            f"predictions: {len(missing)} missing columns: {', '.join(missing)}"
            f"{nearest(missing[0], schema)}\n"
            f"found: {', '.join(schema)}\n"
            "hint: keep the key and the slices of the test rows beside the predictions"
        )
    wrong = [c for c in numbers if not _is_number(schema[c])]
    if wrong:
        found = ", ".join(f"{c} {schema[c]}" for c in wrong)
        raise SchemaError(
            f"predictions: not numbers: {', '.join(wrong)}\n"
            f"found: {found}, expected: Float64\n"
            "hint: cast them before they are measured"
        )
    if predictions.is_empty():
        raise ContractError(
            "predictions: no rows\n"
            "found: 0 rows, expected: one per model and test row\n"
            "hint: are there rows in the test years?"
        )
    rows = predictions.select(columns).with_columns(pl.col(numbers).cast(pl.Float64))
    required = [*ids, *(c for c in numbers if c not in ("lower", "upper"))]
    _refuse(rows, {c: pl.col(c).is_null() for c in required}, "null values")
    _refuse(rows, {c: ~pl.col(c).is_finite() for c in numbers}, "values not finite")
    largest_y = float(rows["y"].abs().max() or 0)  # pyright: ignore[reportArgumentType]
    limit = min(max(_LARGE, _TIMES_Y * largest_y), _LARGEST)
    too_large = {c: pl.col(c).abs() > limit for c in numbers}
    _refuse(rows, too_large, f"values beyond {limit:g}")
    return rows


def check_intervals(rows: pl.DataFrame) -> None:
    """Refuse a model whose `lower` or `upper` is null in some rows only.

    Raises
    ------
    ContractError
        Names the models, with the number of their rows that have no interval.
    """
    bare = pl.col("lower").is_null() | pl.col("upper").is_null()
    some = pl.col("lower").is_not_null() | pl.col("upper").is_not_null()
    partial = (
        rows.group_by("model")
        .agg(bare.sum().alias("n_bare"), some.any().alias("some"), pl.len())
        .filter("some", pl.col("n_bare") > 0)
        .sort("model")
    )
    if not partial.is_empty():
        found = ", ".join(
            f"{row['model']} in {row['n_bare']:,} of {row['len']:,} rows"
            for row in partial.iter_rows(named=True)
        )
        raise ContractError(
            f"predictions: lower or upper is null in part: {found}\n"
            "expected: both in all rows of a model, or neither in any\n"
            "hint: a model without intervals has null in both columns"
        )


def check_unique(rows: pl.DataFrame, key: Sequence[str]) -> None:
    """Refuse rows of a model that have the same key.

    Raises
    ------
    ContractError
        Names the models, with the number of their rows whose key is not unique.
    """
    repeated = rows.filter(rows.select("model", *key).is_duplicated())
    if not repeated.is_empty():
        counts = repeated.group_by("model").len().sort("model")
        found = ", ".join(f"{model} {n:,} rows" for model, n in counts.iter_rows())
        raise ContractError(
            f"predictions: keys repeat: {found}\n"
            f"expected: one row per model and {', '.join(key)}\n"
            "hint: is a column missing from the key?"
        )


def paired(
    own: pl.DataFrame,
    other: pl.DataFrame,
    key: Sequence[str],
    *,
    names: tuple[str, str],
) -> pl.DataFrame:
    """Join the rows of two models that predict the same.

    Parameters
    ----------
    own, other : pl.DataFrame
        One row per key, of the same columns: `key`, `prediction` and what both models
        must agree on, such as `y`.
    key : sequence of str
        A null equals a null.
    names : tuple of str
        The two models, for the messages.

    Returns
    -------
    pl.DataFrame
        The rows of `own`, with `reference_prediction`; in no particular order.

    Raises
    ------
    ContractError
        If a key is with one model only, or if they disagree in a column.
    """
    model, reference = names
    missing = own.join(other, on=key, how="anti", nulls_equal=True)
    extra = other.join(own, on=key, how="anti", nulls_equal=True)
    if not missing.is_empty() or not extra.is_empty():
        example = (missing if extra.is_empty() else extra).sort(key).row(0, named=True)
        raise ContractError(
            f"predictions: models '{model}' and '{reference}' have different rows\n"
            f"found: {missing.height:,} keys that '{reference}' lacks and "
            f"{extra.height:,} that '{model}' lacks, such as "
            f"{', '.join(f'{c} {example[c]}' for c in key)}; expected: the same keys\n"
            "hint: let all models predict the same test rows"
        )
    pairs = own.join(other, on=key, nulls_equal=True, suffix=_SUFFIX)
    agreed = [c for c in own.columns if c not in (*key, "prediction")]
    unequal = pairs.select(
        pl.col(c).ne_missing(pl.col(f"{c}{_SUFFIX}")).sum() for c in agreed
    )
    wrong = {c: n for c, n in unequal.row(0, named=True).items() if n} if agreed else {}
    if wrong:
        found = ", ".join(f"{c} in {n:,} rows" for c, n in wrong.items())
        raise ContractError(
            f"predictions: models '{model}' and '{reference}' differ in other columns\n"
            f"found: {found} of {pairs.height:,}; expected: equal values\n"
            "hint: let all models predict the same snapshot"
        )
    return pairs.rename({f"prediction{_SUFFIX}": "reference_prediction"}).select(
        *own.columns, "reference_prediction"
    )


def _is_number(dtype: pl.DataType) -> bool:
    """Tell if a column is of numbers, or of nulls only."""
    return dtype.is_numeric() or dtype == pl.Null


def _refuse(rows: pl.DataFrame, faults: dict[str, pl.Expr], what: str) -> None:
    """Raise one error that counts the faults of each column, if there are any."""
    counts = rows.select(expr.sum().alias(c) for c, expr in faults.items())
    found = {c: n for c, n in counts.row(0, named=True).items() if n}
    if found:
        named = ", ".join(f"{n:,} in {c}" for c, n in found.items())
        raise ContractError(
            f"predictions: {what}: {named}\n"
            f"found in {rows.height:,} rows, expected: none\n"
            "hint: look at what the model made of these rows, and at its features"
        )
