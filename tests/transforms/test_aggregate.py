from typing import Any

import numpy as np
import polars as pl

from tests.transforms.panels import panel, stage_of


def test_figures_equal_those_of_pandas() -> None:
    df = panel(30).with_columns(w=pl.col("n").fill_null(1) + 1)
    columns = {"x": ["sum", "count", "min", "max", "median"], "n": "sum"}
    stage = stage_of("aggregate", keys=["kind"], columns=columns, weight="w")
    result = stage.apply(df.lazy()).collect()
    grouped: Any = df.to_pandas().groupby("kind")
    assert result["kind"].to_list() == ["a", "b"]
    assert result["n"].to_list() == grouped["n"].sum().to_list()
    for function in columns["x"]:
        np.testing.assert_allclose(result[f"x_{function}"], grouped["x"].agg(function))


def test_a_mean_is_weighted_where_a_weight_is_named() -> None:
    df = pl.DataFrame({"kind": "a", "x": [1.0, 4.0, None], "n": [2, 1, 9]})
    of = {"keys": ["kind"], "columns": {"x": "mean"}}
    for weight, expected in ((None, 2.5), ("n", 2.0)):
        made = stage_of("aggregate", **of, weight=weight).apply(df.lazy()).collect()
        assert made.rows() == [("a", expected)]
