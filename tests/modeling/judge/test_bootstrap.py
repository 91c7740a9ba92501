import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.modeling.judge.bootstrap import (
    FloatArray,
    Resampling,
    _exactly_summable,
    bootstrap,
    cluster_weights,
)


def mean(sums: FloatArray) -> FloatArray:
    """Mean, of the sums (n, x)."""
    return sums[1:] / sums[0]


def means(
    df: pl.DataFrame,
    *,
    slices: Sequence[str] = (),
    cluster: str = "cluster",
    n_samples: int = 200,
) -> pl.DataFrame:
    """Mean of x by model, cluster and slices, with its interval."""
    return bootstrap(
        df,
        Resampling(cluster, slices, n_samples, seed=3),
        by="model",
        sums=[pl.lit(1.0), pl.col("x")],
        names=["mean"],
        statistic=mean,
    )


def simulated(
    n_panels: int, *, n_clusters: int = 30, n_rows: int = 6, seed: int = 0
) -> pl.DataFrame:
    """Panels of mean 10: clusters differ as much as the rows within them."""
    rng = np.random.default_rng(seed)
    shape = (n_panels, n_clusters, n_rows)
    x = 10 + rng.normal(size=(*shape[:2], 1)) + rng.normal(size=shape)
    panel, cluster, _ = (index.ravel() for index in np.indices(shape))
    return pl.DataFrame({"panel": panel, "cluster": cluster, "x": x.ravel()}).select(
        pl.lit("a").alias("model"), pl.all(), pl.row_index("row")
    )


def test_weights_count_clusters_drawn_with_replacement() -> None:
    weights = cluster_weights(8, n_samples=4000, seed=1)
    assert weights.shape == (4000, 8)
    assert (weights.sum(axis=1) == 8).all()
    # A multinomial count has mean 1 and variance 1 - 1/8; standard errors are 0.015.
    assert weights.mean(axis=0) == pytest.approx(np.ones(8), abs=0.06)
    assert weights.var(axis=0) == pytest.approx(np.full(8, 7 / 8), abs=0.1)


def test_weights_are_decided_by_seed_and_number_of_clusters() -> None:
    weights = cluster_weights(8, n_samples=50, seed=1)
    assert (weights == cluster_weights(8, n_samples=50, seed=1)).all()
    assert (weights != cluster_weights(8, n_samples=50, seed=2)).any()


def test_interval_is_that_of_resampled_rows() -> None:
    df = simulated(1, n_clusters=7, n_rows=4)
    rows = [group["x"].to_numpy() for group in df.partition_by("cluster")]
    drawn = [
        np.concatenate([np.tile(x, int(n)) for x, n in zip(rows, counts, strict=True)])
        for counts in cluster_weights(7, n_samples=200, seed=3)
    ]
    limits = np.percentile([x.mean() for x in drawn], [2.5, 97.5])
    row = means(df).row(0, named=True)
    assert row["value"] == pytest.approx(df["x"].mean(), rel=1e-10)
    assert [row["lower"], row["upper"]] == pytest.approx(limits.tolist(), rel=1e-10)


def test_two_clusters_give_the_means_of_both_as_limits() -> None:
    # Both are drawn with probability 1/2, one of them twice with 1/4 each.
    df = pl.DataFrame(
        {"model": ["a"] * 3, "cluster": [7, 9, 9], "x": [1.0, 2.0, 6.0]},
    )
    expected = pl.DataFrame(
        {
            "model": ["a"],
            "slice_by": ["all"],
            "slice": ["all"],
            "metric": ["mean"],
            "value": [3.0],
            "lower": [1.0],
            "upper": [4.0],
            "n_rows": pl.Series([3], dtype=pl.UInt32),
            "n_clusters": pl.Series([2], dtype=pl.UInt32),
        }
    )
    assert_frame_equal(means(df), expected)


def test_one_cluster_has_no_interval() -> None:
    df = pl.DataFrame({"model": ["a", "a"], "cluster": [1, 1], "x": [1.0, 4.0]})
    row = means(df).row(0, named=True)
    assert (row["value"], row["lower"], row["upper"]) == (2.5, None, None)


def test_slices_resample_their_own_clusters() -> None:
    df = simulated(1, n_clusters=12).with_columns(
        pl.when(pl.col("cluster") < 5).then(pl.lit("few")).alias("part")
    )
    sliced = means(df, slices=["part"])
    assert sliced["slice"].to_list() == ["all", None, "few"]
    assert sliced["n_clusters"].to_list() == [12, 7, 5]
    alone = means(df.filter(pl.col("part") == "few"))
    assert_frame_equal(
        sliced.filter(pl.col("slice") == "few").drop("slice_by", "slice"),
        alone.drop("slice_by", "slice"),
        check_exact=True,
    )


def test_slices_are_in_the_order_of_their_values() -> None:
    df = simulated(1, n_clusters=11).with_columns(model=pl.lit("b"))
    df = pl.concat([df, df.with_columns(model=pl.lit("a"))])
    result = means(df, slices=["cluster", "row"], n_samples=2)
    first = result.filter(model="a").head(13)
    assert first["slice"].to_list() == ["all", *map(str, range(11)), "0"]
    assert result["model"].is_sorted()


def test_result_does_not_depend_on_row_order_or_on_other_groups() -> None:
    # Numbers that make rounding show.
    df = simulated(65, n_clusters=187, n_rows=5).with_columns(
        pl.col("x") * 10.0 ** (pl.col("row") % 7)
    )
    result = means(df, slices=["panel"], n_samples=9)
    shuffled = df.sample(fraction=1, shuffle=True, seed=5)
    again = means(shuffled, slices=["panel"], n_samples=9)
    assert_frame_equal(result, again, check_exact=True)
    for n_panels in (1, 3):
        part = df.filter(pl.col("panel") < n_panels)
        expected = means(part, slices=["panel"], n_samples=9).slice(1)
        assert_frame_equal(result[1 : n_panels + 1], expected, check_exact=True)


def test_summands_add_up_alike_in_any_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(0, 5, (4, 150)) * rng.choice([-1, 1], (4, 150))
    summands = _exactly_summable(values)
    assert summands == pytest.approx(values, abs=1e-12 * np.abs(values).max())
    drawn = summands * cluster_weights(150, n_samples=4, seed=1)
    exact = [math.fsum(row) for row in drawn]
    assert np.add.accumulate(drawn, axis=1)[:, -1].tolist() == exact
    assert np.add.accumulate(drawn[:, ::-1], axis=1)[:, -1].tolist() == exact


def test_intervals_cover_the_truth_where_those_of_rows_do_not() -> None:
    # 400 panels: the standard error of a coverage of 0.95 is 0.011, and percentile
    # intervals of 30 clusters fall short by about 0.015.
    df = simulated(400).with_columns(pl.col("panel").alias("model"))
    covers = pl.lit(10.0).is_between("lower", "upper").mean()
    assert 0.90 <= means(df).select(covers).item() <= 0.97
    assert means(df, cluster="row").select(covers).item() < 0.75
