import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import polars as pl
import pytest
from altair.typing import ChartType

from pipeline.modeling.card.charts import (
    BLUE,
    best_reference,
    coverage_chart,
    difference_chart,
    error_by_period_chart,
    error_chart,
    importance_chart,
    inverse_symlog,
    model_colours,
    partial_dependence_chart,
    predicted_actual_chart,
    residual_chart,
    shap_chart,
    symlog,
    symlog_axis,
    symlog_constant,
    to_svg,
    trials_chart,
)
from tests.modeling import model_frames

CHARTS: dict[str, tuple[Callable[[], ChartType], str]] = {
    "error": (
        lambda: error_chart(model_frames.evaluation(), "boosted", "mae", "$"),
        "MAE, $, with 95 % interval",
    ),
    "year": (
        lambda: error_by_period_chart(
            model_frames.evaluation(), "boosted", "rmse", "year", "$"
        ),
        "RMSE, $, with 95 % interval",
    ),
    "difference": (
        lambda: difference_chart(model_frames.comparison()),
        "RMSE against last year, % of its RMSE",
    ),
    "coverage": (
        lambda: coverage_chart(model_frames.evaluation(), "boosted", 0.8),
        "outcomes inside the interval",
    ),
    "predicted": (
        lambda: predicted_actual_chart(model_frames.predictions(), "$"),
        "predicted, $",
    ),
    "residual": (
        lambda: residual_chart(model_frames.predictions(), "$"),
        "actual - predicted, $",
    ),
    "importance": (
        lambda: importance_chart(model_frames.importance(), "mae", "$"),
        "increase of the MAE by shuffling the group, $",
    ),
    "shap dollars": (
        lambda: shap_chart(model_frames.shap(), "$"),
        "change of the prediction, $",
    ),
    "shap": (
        lambda: shap_chart(model_frames.shap(), None),
        "change of the prediction, in the unit of the transformed target",
    ),
    "dependence": (
        lambda: partial_dependence_chart(model_frames.dependence(), "$"),
        "mean prediction",
    ),
    "trials": (
        lambda: trials_chart(model_frames.trials(), "validation RMSE", "$"),
        "validation RMSE, $",
    ),
}


def texts(chart: ChartType) -> list[str]:
    """All texts of a chart as drawn, in order."""
    return [element.text or "" for element in ET.fromstring(to_svg(chart)).iter(TEXT)]


TEXT = "{http://www.w3.org/2000/svg}text"


def rows_of(chart: ChartType, column: str) -> list[dict[str, Any]]:
    """The rows of the chart's data that have a column."""
    return [
        row
        for rows in chart.to_dict()["datasets"].values()
        for row in rows
        if column in row
    ]


@pytest.mark.parametrize(("draw", "title"), CHARTS.values(), ids=CHARTS)
def test_a_chart_is_one_svg_with_its_unit_and_the_colour_of_the_page(
    draw: Callable[[], ChartType], title: str
) -> None:
    svg = to_svg(draw())
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert title in [element.text for element in root.iter(TEXT)]
    assert {element.get("fill") for element in root.iter(TEXT)} == {"currentColor"}
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
    assert "NaN" not in svg


def ticks(chart: ChartType) -> list[list[str]]:
    """The labels of each axis, as drawn."""
    groups = ET.fromstring(to_svg(chart)).iter("{http://www.w3.org/2000/svg}g")
    labels = [g for g in groups if "role-axis-label" in g.get("class", "")]
    return [[text.text or "" for text in group.iter(TEXT)] for group in labels]


FIGURES = ("value", "lower", "upper", "prediction")


def narrow(frame: pl.DataFrame, width: float, scale: float = 1) -> pl.DataFrame:
    """Bring figures to 0.9 of a scale, so near together as a width says."""
    shown = pl.col([name for name in FIGURES if name in frame.columns])
    rank = shown.cast(pl.Float64).rank("ordinal")
    return frame.with_columns((rank / pl.len() * width + 0.9) * scale)


@pytest.mark.parametrize("width", [0.3, 0.004, 0.0003])
@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("$", 1.1e6),
        ("", 1),
        pytest.param("$", 1, marks=pytest.mark.slow),
        pytest.param("", 1.1e6, marks=pytest.mark.slow),
    ],
)
def test_no_two_ticks_of_an_axis_of_amounts_have_the_same_label(
    width: float, unit: str, scale: float
) -> None:
    evaluation = narrow(model_frames.evaluation(), width, scale)
    trials = narrow(model_frames.trials(), width, scale)
    dependence = model_frames.dependence()
    x = dependence["value"]
    dependence = narrow(dependence, width, scale).with_columns(x)
    for chart in (
        error_chart(evaluation, "boosted", "mae", unit),
        error_by_period_chart(evaluation, "boosted", "mae", "year", unit),
        trials_chart(trials, "MAE", unit),
        partial_dependence_chart(dependence, unit),
    ):
        for labels in ticks(chart):
            assert len({*labels}) == len(labels) > 1
            assert unit != "$" or all("$" in t for t in labels if "." in t)


@pytest.mark.parametrize("width", [0.3, 0.02, 0.004])
def test_no_two_ticks_of_an_axis_of_shares_have_the_same_label(width: float) -> None:
    evaluation = narrow(model_frames.evaluation(), width)
    comparison = model_frames.comparison().with_columns(
        pl.col("difference", "lower", "upper") * width
    )
    coverage, difference = (
        ticks(chart)
        for chart in (
            coverage_chart(evaluation, "boosted", 0.9),
            difference_chart(comparison),
        )
    )
    for labels in [*coverage, *difference]:
        assert len({*labels}) == len(labels)
    assert any(label.endswith("%") for label in difference[1])


def test_equal_charts_are_equal_texts_and_others_share_no_ids() -> None:
    draw, _ = CHARTS["shap"]  # its legend is a gradient, which has an id
    svg = to_svg(draw())
    assert svg == to_svg(draw())
    ids, used = re.findall(r' id="(.*?)"', svg), re.findall(r"url\(#(.*?)\)", svg)
    assert ids
    assert {*used} == {*ids}
    other = to_svg(CHARTS["shap dollars"][0]())
    assert not {*ids} & {*re.findall(r' id="(.*?)"', other)}


def test_a_chart_does_not_go_to_the_network() -> None:
    chart = alt.Chart("https://example.org/rows.csv").mark_point().encode(x="a:Q")
    with pytest.raises(ValueError, match="not allowed"):
        to_svg(chart)


@pytest.mark.parametrize(
    ("unit", "title", "tick"),
    [
        ("€", "MAE, €, with 95 % interval", "€300k"),
        ("persons", "MAE, persons, with 95 % interval", "300k"),
        ("", "MAE, with 95 % interval", "300k"),
    ],
)
def test_charts_have_the_unit_of_the_target(unit: str, title: str, tick: str) -> None:
    shown = texts(error_chart(model_frames.evaluation(), "boosted", "mae", unit))
    assert title in shown
    assert tick in shown


def test_symlog_is_linear_near_0_and_undone_by_its_inverse() -> None:
    values = np.array([-1e8, -3.0, 0.0, 0.01, 1e5])
    np.testing.assert_allclose(inverse_symlog(symlog(values, 10), 10), values)
    np.testing.assert_allclose(symlog(np.array([0.01]), 10), [0.001], rtol=1e-3)
    # Ten times as far out is a decade more.
    far, farther = symlog(np.array([1e8, 1e9]), 10)
    assert farther - far == pytest.approx(np.log(10))


@pytest.mark.parametrize(
    ("values", "constant"),
    [([0, 0, 20, -30, 40, 500], 10), ([0.05, 0.06, 9.0], 0.01), ([0, 0], 1)],
)
def test_symlog_constant_is_a_power_of_ten_below_a_quarter_of_the_sizes(
    values: list[float], constant: float
) -> None:
    assert symlog_constant(np.array(values, float)) == pytest.approx(constant)


def test_symlog_axis_has_a_tick_at_0_and_each_power_of_ten() -> None:
    values = np.array([-2e5, -3e4, 2e4, 4e4, 3e6])
    scale, axis = symlog_axis(values, "datum.label")
    assert axis.to_dict()["values"] == [-1e5, 0, 1e5, 1e6]
    assert scale.to_dict()["domain"] == [-2e5, 3e6]
    _, axis = symlog_axis(np.array([-0.04, 0.0, 0.03, 0.05]), "datum.label")
    assert axis.to_dict()["values"] == [-0.01, 0, 0.01]


def test_a_model_has_the_same_colour_in_every_chart() -> None:
    scale = model_colours(["ridge", "boosted", "last year", "ridge"], "boosted")
    assert scale.to_dict()["domain"] == ["boosted", "last year", "ridge"]
    assert scale.to_dict()["range"][0] == BLUE
    assert scale == model_colours(["last year", "ridge", "boosted"], "boosted")


def test_the_best_model_is_on_top_with_its_error() -> None:
    shown = texts(error_chart(model_frames.evaluation(), "ridge", "rmse", "$"))
    models = [text for text in shown if text in model_frames.RMSE]
    assert models == ["boosted", "last year", "ridge"]
    assert {"$1.2M", "$1.5M", "$2M"} < {*shown}


def test_a_bar_that_would_hide_the_others_is_cut_off_and_says_how_long_it_is() -> None:
    frame = model_frames.importance()
    rows = rows_of(importance_chart(frame, "mae", "$"), "label")
    assert [row["increase"] for row in rows[:2]] == [1e6, 5e5]
    figures = pl.col("increase", "lower", "upper")
    is_first = pl.int_range(pl.len()) == 0
    higher = frame.with_columns(pl.when(is_first).then(figures * 9).otherwise(figures))
    chart = importance_chart(higher, "mae", "$")
    rows = rows_of(chart, "label")
    assert [row["increase"] for row in rows[:2]] == [2 * 1.3 * 5e5, 5e5]
    assert rows[0]["label"] in texts(chart)
    assert re.fullmatch(r"\$9M \(\d+%\), cut off", rows[0]["label"])
    assert "cut off" not in rows[1]["label"]
    assert texts(chart).count("//") == 1
    assert "//" not in texts(importance_chart(frame, "mae", "$"))


def test_the_best_reference_is_of_all_rows() -> None:
    frame = pl.DataFrame(
        {
            "reference": ["c", "b", "a", "c"],
            "slice_by": ["all", "all", "all", "year"],
            "reference_value": [2.0, 1.0, 1.0, 0.1],
        }
    )
    assert best_reference(frame) == "a"


def test_differences_are_shares_of_the_best_baselines_rmse() -> None:
    rows = rows_of(difference_chart(model_frames.comparison()), "difference")
    assert [row["slice"] for row in rows] == list(range(1, 11))
    for row in rows:
        assert row["difference"] == pytest.approx(-0.2)  # 1.2M against 1.5M
        assert row["lower"] == pytest.approx(-1 / 3)
        assert row["upper"] == pytest.approx(-2 / 15)


def test_coverage_is_by_slice_in_their_order_without_the_many_diagnoses() -> None:
    chart = coverage_chart(model_frames.evaluation(), "boosted", 0.8)
    kinds = {row["slice_by"] for row in rows_of(chart, "slice_by")}
    assert kinds == {"year", "size_decile", "severity"}
    shown = texts(chart)
    thirds = ["low", "mid", "high", "?"]
    assert [text for text in shown if text in thirds] == thirds
    deciles = [text for text in shown if text in model_frames.SLICES["size_decile"]]
    assert deciles == model_frames.SLICES["size_decile"]


def test_each_row_is_counted_in_the_cell_it_lies_in() -> None:
    frame = model_frames.predictions()
    cells = rows_of(predicted_actual_chart(frame, "$"), "n")
    assert sum(cell["n"] for cell in cells) == frame.height
    for cell in cells:
        inside = frame.filter(
            pl.col("prediction").is_between(cell["x"] - 0.01, cell["x2"] + 0.01),
            pl.col("y").is_between(cell["y"] - 0.01, cell["y2"] + 0.01),
        )
        assert inside.height == cell["n"]


def test_residuals_are_quantiles_in_tenths_of_the_predictions() -> None:
    frame = model_frames.predictions().sort("prediction")
    rows = rows_of(residual_chart(frame, "$"), "p50")
    residuals = (frame["y"] - frame["prediction"]).to_numpy().reshape(10, 50)
    assert [row["decile"] for row in rows] == list(range(1, 11))
    for q in (5, 25, 50, 75, 95):
        expected = np.percentile(residuals, q, axis=1)
        np.testing.assert_allclose([row[f"p{q}"] for row in rows], expected)


def test_the_ten_strongest_groups_are_shown_with_their_share() -> None:
    shown = texts(importance_chart(model_frames.importance(), "mae", "$"))
    groups = [text for text in shown if text.startswith("group_")]
    assert groups == [f"group_{i}" for i in range(10)]
    assert "$1M (50%)" in shown


def test_shap_shows_all_rows_of_the_ten_strongest_features() -> None:
    shap = model_frames.shap()
    chart = shap_chart(shap, "$")
    shown = [text for text in texts(chart) if text.startswith("feature_")]
    assert shown == [f"feature_{i}" for i in range(10)]
    bins = pl.DataFrame(rows_of(chart, "n"))
    for (feature,), part in bins.group_by("feature"):
        values = shap.filter(feature=feature)["shap"]
        assert part["n"].sum() == 50
        middle = np.repeat(part["x"].to_numpy(), part["n"].to_numpy())
        assert np.average(middle) == pytest.approx(values.mean(), abs=3e4)
    assert bins["rank"].min() == 0
    assert bins["rank"].max() == pytest.approx(1)


def test_partial_dependence_is_of_the_first_four_columns() -> None:
    shown = texts(partial_dependence_chart(model_frames.dependence(), "$"))
    columns = [text for text in shown if text.startswith("feature_")]
    assert columns == [f"feature_{i}" for i in range(4)]
    assert {"0", "10", "200", "2k"} < {*shown}


def test_only_complete_trials_have_a_value_and_are_the_best_so_far() -> None:
    chart = trials_chart(model_frames.trials(), "RMSE", "$")
    rows = rows_of(chart, "best")
    assert [row["best"] for row in rows] == [7e5, 7e5, 7e5, 6e5]
    # That of the pruned one is of fewer folds, and less than the best.
    assert [row["value"] for row in rows] == [7e5, None, None, 6e5]
    grey = re.findall(r'"translate\(([^)]*)\)" [^>]*fill="#8A8A8A"', to_svg(chart))
    assert grey[0].endswith(",0")  # at the upper edge
