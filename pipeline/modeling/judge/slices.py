"""Columns to slice an evaluation by."""

import polars as pl

from pipeline.panel.exact import from_fixed_point, to_fixed_point

SIZE_DECILE = "size_decile"


def add_size_decile(df: pl.DataFrame, *, cluster: str, weight: str) -> pl.DataFrame:
    """Add the decile of each row's cluster among the clusters, by size.

    Clusters are counted, not rows: each decile has a tenth of the clusters, give or
    take one. Of clusters of the same size, the lesser name is the smaller.

    Parameters
    ----------
    df : pl.DataFrame
        Rows to evaluate, of one model.
    cluster : str
        Column of the cluster, such as the facility; a row with a null gets no decile.
    weight : str
        Numeric column whose total over a cluster is its size; null counts as zero.

    Returns
    -------
    pl.DataFrame
        The rows in their order, and `size_decile`: UInt32, from 1, the smallest, to 10.
        With fewer than ten clusters some deciles are empty.
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


def severity_mix(
    share: str, *, quantiles: tuple[float, float] = (1 / 3, 2 / 3)
) -> pl.Expr:
    """Cut a share, such as that of severe cases, into low, mid and high.

    Parameters
    ----------
    share : str
        Numeric column.
    quantiles : tuple of float, default terciles
        Upper ends of low and mid, as quantiles of the column over the rows; each is
        the nearest value that occurs. Equal values are always in the same class.

    Returns
    -------
    pl.Expr
        Enum of low, mid and high, named ``{share}_mix``; null where the share is.
    """
    column = pl.col(share)
    low, mid = (column.quantile(q, interpolation="nearest") for q in quantiles)
    return (
        pl.when(column <= low)
        .then(pl.lit("low"))
        .when(column <= mid)
        .then(pl.lit("mid"))
        .when(column.is_not_null())
        .then(pl.lit("high"))
        .cast(pl.Enum(["low", "mid", "high"]))
        .alias(f"{share}_mix")
    )
