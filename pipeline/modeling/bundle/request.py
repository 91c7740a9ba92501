"""What is given to a bundle: typed, held to a contract, and whole.

A request that is a part of a panel would be silently wrong in ways that a run is not:
so what `just run` refuses is refused here, and what cannot be known is warned of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

import msgspec
import polars as pl

from pipeline.contracts.checks import (
    Check,
    Outcome,
    compile_contract,
    count_failures,
    outcomes_of,
    sample_failures,
)
from pipeline.contracts.contract import Contract, Rows
from pipeline.contracts.report import describe_failed
from pipeline.errors import ModelError, nearest, some
from pipeline.panel.composed import composed
from pipeline.panel.periods import Every, Time, later, number
from pipeline.plan.settings import Stage
from pipeline.sources.cells import can_be, parse_typed
from pipeline.sources.columns import Declared, dtype_of, why_bad
from pipeline.sources.scan import GOOD, OVERFLOW, parse

_PART_OF_PANEL = 0.5
"""Of the clusters of the training's last period; fewer are no whole one."""

_WHOLE = 0.8
"""Of the clusters or rows that a period had; with fewer, it may be incomplete."""

_N_SHOWN = 3


def typed(rows: pl.DataFrame, columns: dict[str, Declared]) -> pl.DataFrame:
    """Give raw rows, of numbers or of text as in a file, the dtypes of their kinds."""
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        near = nearest(missing[0], rows.columns)
        raise ModelError(
            f"rows: {len(missing)} missing columns: {', '.join(missing)}{near}\n"
            f"found: {some(rows.columns)}\n"
            "hint: name the columns as the source does"
        )

    given = rows.select(columns.keys())
    made = _read(given, (*columns.items(),))
    if made[GOOD].all():
        return made.drop(GOOD)
    faults = [
        why_bad(pl.col(name), _value(name, given.schema[name], kind), kind).alias(name)
        for name, kind in columns.items()
    ]
    bad = (
        given.select(faults)
        .with_row_index("row")
        .unpivot(index="row", variable_name="column", value_name="reason")
        .drop_nulls("reason")
        .sort("row", maintain_order=True)
    )
    shown = "\n".join(
        f"  row {row}: {column}: {reason}, found {rows[row, column]!r}"
        for row, column, reason in bad.head(10).iter_rows()
    )
    raise ModelError(f"rows: {bad.height} bad values; the first:\n{shown}")


@composed
def _read(
    rows: pl.LazyFrame, columns: tuple[tuple[str, Declared], ...]
) -> pl.LazyFrame:
    """Read cells, and tell which rows are `GOOD`."""
    kinds, dtypes = dict(columns), rows.collect_schema()
    parsing = {name: _value(name, dtypes[name], kind) for name, kind in columns}
    cells = rows.with_columns(pl.lit(None, pl.String).alias(OVERFLOW))
    return parse(cells, parsing, kinds).select(*kinds, GOOD)


def _value(name: str, dtype: pl.DataType, kind: Declared) -> pl.Expr:
    """Read a cell."""
    if not can_be(dtype, kind):
        return pl.lit(None, dtype_of(kind))
    return parse_typed(pl.col(name), dtype, kind)


def beyond(rows: pl.DataFrame, largest: Mapping[str, float]) -> ModelError:
    """Blame the value that is most times as large as the largest that is known.

    Of good rows that the stages cannot compute with: their sums and products are exact,
    and end where 128 bits do.
    """
    times = rows.select(
        pl.col(name).abs() / (size or 1) for name, size in largest.items()
    )
    column = max(largest, key=lambda name: times[name].max() or 0)
    row = times[column].arg_max() or 0
    return ModelError(
        "rows: too large to compute with; the farthest from the model's panel:\n"
        f"  row {row}: {column}: found {rows[row, column]:,}, expected at most about"
        f" {largest[column]:,}\n"
        "hint: mend the value; rows count from 0, without a header and those left out"
    )


def checks_of(stage: Stage, contract: Contract, schema: pl.Schema) -> list[Check]:
    """Compile what a contract says of the single rows of a panel.

    What it says of columns and the number of rows is not looked at. A repeated key is
    refused though the contract may only warn of it: of a part of a panel it is a row
    given, and counted, twice.
    """
    return [
        replace(check, severity="error") if check.name == "key" else check
        for check in compile_contract(_of_single_rows(contract), schema, stage.key)
    ]


def counting(
    stage: Stage, checks: Sequence[Check]
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Count the rows of a panel that break each check."""

    def counted(panel: pl.LazyFrame) -> pl.LazyFrame:
        return count_failures(panel.sort(stage.key), checks)

    return composed(counted)


def hold(
    panel: pl.DataFrame,
    counts: pl.DataFrame,
    stage: Stage,
    checks: Sequence[Check],
    *,
    only_warn: bool,
) -> list[str]:
    """Refuse rows that break the checks of single rows, or warn of them.

    `counts` says how many do, as of `counting`.
    """
    lf, outcomes = panel.lazy().sort(stage.key), outcomes_of(checks, counts)
    return judge(lf, panel.height, stage, checks, outcomes, only_warn=only_warn)


def judge(
    lf: pl.LazyFrame,
    n_rows: int,
    stage: Stage,
    checks: Sequence[Check],
    outcomes: Sequence[Outcome],
    *,
    only_warn: bool,
) -> list[str]:
    """Refuse the sorted rows of a panel for the checks they failed, or warn of them."""
    snapshot, by_name = str(stage.snapshot), {check.name: check for check in checks}
    outcomes = [o for o in outcomes if not o.passed]
    samples = {
        o.name: sample_failures(lf, by_name[o.name], stage.key).collect()
        for o in outcomes
    }
    failed = [o for o in outcomes if o.severity == "error" and not only_warn]
    if failed:
        lines = "\n".join(describe_failed(failed, samples, n_rows))
        raise ModelError(
            f"rows: {len(failed)} check{'s' * (len(failed) > 1)} of '{snapshot}'"
            f" failed\n{lines}\n"
            f"hint: mend the rows; `checks.{snapshot}` of the model's configuration"
            " says what they may be"
        )
    return [
        "\n".join(
            [
                f"rows that break '{snapshot}':",
                *describe_failed([outcome], samples, n_rows),
            ]
        )
        for outcome in outcomes
    ]


def _of_single_rows(contract: Contract) -> Contract:
    """Leave out what a contract says of the columns there are, and of how many rows."""
    others = ("columns", "required", "rows")
    warn = [name for name in contract.warn if name.partition(".")[0] not in others]
    return msgspec.structs.replace(
        contract, columns={}, required=[], rows=Rows(), warn=warn
    )


def refuse_a_part_of_the_panel(
    new: pl.DataFrame,
    time: str,
    cluster: str,
    *,
    last: Time,
    every: Every,
    n_clusters: int,
) -> None:
    """Refuse periods after the panel's last that are missing, or are of few clusters.

    `new` are the sizes of the periods given after the `last` one, which had
    `n_clusters`.
    """
    end, dtype = last, new.schema[time]
    ordinal = number(time, every, dtype) - number(pl.lit(end, dtype), every, dtype)
    sizes = (
        new.group_by(time)
        .agg(pl.col(cluster).n_unique().alias("n"))
        .sort(time)
        .with_columns(ordinal.alias("ordinal"))
        .with_columns(
            expected=pl.col("ordinal").map_elements(
                lambda n: later(end, n, every), return_dtype=dtype
            )
        )
    )
    odd = sizes.filter(pl.col("expected") != pl.col(time))[time].to_list()
    if odd:
        raise ModelError(
            f"bundle: {time} {some(map(str, odd))} is no period of the panel, which"
            f" ends in {end} and has one every {every}\n"
            "hint: give the rows of whole periods only"
        )
    there = set(sizes["ordinal"].to_list())
    n_missing = max(there, default=0) - len(there)
    if n_missing:
        absent = (str(later(end, n, every)) for n in count(1) if n not in there)
        shown = ", ".join(islice(absent, min(n_missing, _N_SHOWN)))
        shown += f" and {n_missing - _N_SHOWN} more" if n_missing > _N_SHOWN else ""
        raise ModelError(
            f"bundle: no rows of {time} {shown}: the panel ends in {end}, the rows in"
            f" {sizes[time][-1]}\n"
            f"hint: give the rows of the whole panel for every period after {end}"
        )
    for period, n in sizes.select(time, "n").iter_rows():
        if n < n_clusters * _PART_OF_PANEL:
            raise ModelError(
                f"bundle: {time} {period} has rows of {n} values of '{cluster}',"
                f" expected the whole panel, as {end} with {n_clusters}\n"
                "hint: features compare with all others of the period; give the rows"
                f" of all for every period after {end}"
            )


@composed
def sizes_of(panel: pl.LazyFrame, time: str, cluster: str) -> pl.LazyFrame:
    """Count the rows, ``n``, of each cluster's periods."""
    return panel.group_by(cluster, time).len("n")


def _completed(
    given: pl.LazyFrame, context: pl.LazyFrame, time: str, cluster: str
) -> pl.LazyFrame:
    """Add the rows of other clusters and periods, in the columns that are given."""
    rest = context.join(given, on=[cluster, time], how="anti")
    return pl.concat([given, rest.select(given.collect_schema().names())])


completed = composed(_completed)


def parts_of_clusters(
    given: pl.DataFrame, context: pl.DataFrame, time: str, cluster: str
) -> list[str]:
    """Warn if a cluster's period has much less rows than the panel has of it.

    Both are sizes as of `sizes_of`.
    """
    parts = _incomplete(given, context, time, cluster)
    if parts.is_empty():
        return []
    shown = "; ".join(
        f"'{cluster}' {name}: {n:,} rows of {period}, {whole:,} in the bundle's panel"
        for name, period, n, whole in parts.head(_N_SHOWN).iter_rows()
    )
    more = parts.height - _N_SHOWN
    return [
        f"{shown}{f'; and {more:,} more' if more > 0 else ''}: a period that is given"
        " counts as given whole"
    ]


@composed
def _incomplete(
    given: pl.LazyFrame, context: pl.LazyFrame, time: str, cluster: str
) -> pl.LazyFrame:
    """Take the sizes that are much less than those of the panel."""
    key = [cluster, time]
    sizes = given.join(context.rename({"n": "whole"}), on=key)
    return sizes.filter(pl.col("n") < pl.col("whole") * _WHOLE).sort(key)


def is_part(last: pl.DataFrame, cluster: str, n_clusters: int) -> bool:
    """Tell whether the rows of a period are those of a part of the clusters only."""
    return last[cluster].n_unique() < n_clusters * _WHOLE


def part_of_the_panel(
    given: pl.DataFrame, context: pl.DataFrame, time: str, cluster: str
) -> list[str]:
    """Warn if the last period has much less than the one before it.

    The panel is what is given, `completed` by the context; both are sizes as of
    `sizes_of`.
    """
    sizes = _newest(given, context, time, cluster).rows()
    if len(sizes) < 2:
        return []
    (before, *whole), (last, *part) = sizes
    if all(n >= full * _WHOLE for n, full in zip(part, whole, strict=True)):
        return []
    return [
        f"{time} {last} has rows of {part[0]:,} values of '{cluster}', {part[1]:,} in"
        f" all; {before} had {whole[0]:,} and {whole[1]:,}. If it is incomplete, so is"
        " what features compare with: totals, ranks and ratios of the period"
    ]


@composed
def _newest(
    given: pl.LazyFrame, context: pl.LazyFrame, time: str, cluster: str
) -> pl.LazyFrame:
    """Add up the sizes of each of the last two periods."""
    sizes = _completed(given, context, time, cluster)
    clusters, rows = pl.len().alias("clusters"), pl.col("n").sum().alias("rows")
    return sizes.group_by(time).agg(clusters, rows).sort(time).tail(2)
