"""What the figures are given by: the period, size, thirds of the rows, columns."""

import polars as pl

from pipeline.modeling.judge.bootstrap import Resampling
from pipeline.modeling.settings import Modeling
from pipeline.panel.exact import from_fixed_point, to_fixed_point

SIZE_DECILE = "size_decile"


def resampling_of(modeling: Modeling) -> Resampling:
    """Slice by what the configuration says, and draw its clusters."""
    slices = modeling.slices
    columns = [
        *modeling.asked,
        *modeling.windowed,
        *([SIZE_DECILE] if slices.size else []),
        *slices.cut,
        *slices.columns,
    ]
    return Resampling(
        modeling.cluster,
        [*dict.fromkeys(columns)],
        modeling.bootstrap.samples,
        modeling.seed,
    )


def add_slices(test: pl.DataFrame, modeling: Modeling) -> pl.DataFrame:
    """Add the columns that the figures are given by; features of their names go."""
    slices = modeling.slices
    sliced = test
    for name, features in slices.cut.items():
        third = third_of(pl.sum_horizontal(features, ignore_nulls=False))
        sliced = sliced.with_columns(third.fill_null("unknown").alias(name))
    if slices.size:
        given = test.select({modeling.cluster, slices.size})
        sized = add_size_decile(given, cluster=modeling.cluster, weight=slices.size)
        sliced = sliced.with_columns(sized[SIZE_DECILE])
    return sliced


def add_size_decile(df: pl.DataFrame, *, cluster: str, weight: str) -> pl.DataFrame:
    """Add `size_decile`, from 1 (smallest) to 10, of each row's cluster by its size.

    The size is the sum of `weight` over the cluster, null counting as zero. Clusters
    are counted, not rows: each decile has a tenth of them, give or take one; with fewer
    than ten some are empty. Of equal sizes, the lesser name is the smaller. The rows
    stay in their order; one with a null as cluster has no decile.
    """
    size = from_fixed_point(to_fixed_point(pl.col(weight)).sum())
    deciles = (
        df.drop_nulls(cluster)
        .group_by(cluster)
        .agg(size.alias(SIZE_DECILE))
        .sort(SIZE_DECILE, cluster)
        .select(cluster, (pl.row_index() * 10 // pl.len() + 1).alias(SIZE_DECILE))
    )
    return df.join(deciles, on=cluster, how="left", maintain_order="left")


def third_of(share: pl.Expr) -> pl.Expr:
    """Cut numbers, such as shares, into the texts low, mid and high; null stays null.

    Terciles of the rows are the upper ends of low and mid, each the nearest value that
    occurs, so that equal values are always in the same class.
    """
    low, mid = (share.quantile(q, interpolation="nearest") for q in (1 / 3, 2 / 3))
    return (
        pl.when(share <= low)
        .then(pl.lit("low"))
        .when(share <= mid)
        .then(pl.lit("mid"))
        .when(share.is_not_null())
        .then(pl.lit("high"))
    )
