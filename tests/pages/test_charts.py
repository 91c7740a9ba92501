import pytest

from pipeline.pages.charts import HEIGHT, WIDTH, bars, histogram, line


def test_a_bars_area_is_the_share_of_its_values() -> None:
    chart = histogram(0.0, [5.0, 25.0, 50.0, 75.0, 95.0], 100.0)
    assert chart is not None
    assert not chart.is_logarithmic
    areas = [bar.width * bar.height for bar in chart.bars]
    shares = [area / sum(areas) for area in areas]
    assert shares == pytest.approx([0.05, 0.2, 0.25, 0.25, 0.2, 0.05])
    assert sum(bar.width for bar in chart.bars) == pytest.approx(WIDTH)


def test_a_long_tail_is_drawn_on_a_logarithmic_axis_with_the_same_areas() -> None:
    chart = histogram(0.0, [1.0, 2.0, 3.0, 4.0, 9.0], 1e9)
    assert chart is not None
    assert chart.is_logarithmic
    areas = [bar.width * bar.height for bar in chart.bars]
    assert areas[5] / sum(areas) == pytest.approx(0.05)
    assert all(bar.width > 2 for bar in chart.bars)


def test_quantiles_of_one_value_are_one_line_within_the_chart() -> None:
    chart = histogram(0.0, [0.0, 0.0, 0.0, 0.0, 2.0], 4.0)
    assert chart is not None
    lines = [bar for bar in chart.bars if bar.is_one_value]
    assert [(bar.x, bar.height) for bar in lines] == [(0.0, HEIGHT)]
    assert all(0 <= bar.x <= bar.x + bar.width <= WIDTH for bar in chart.bars)
    assert all(bar.height <= HEIGHT + 1e-9 for bar in chart.bars)


@pytest.mark.parametrize(
    ("least", "quantiles", "greatest"),
    [
        pytest.param(3.0, [3.0] * 5, 3.0, id="one value"),
        pytest.param(1.0, [None] * 5, 2.0, id="no quantiles"),
        pytest.param(1.0, [1.0, 1.0, float("nan"), 2.0, 2.0], 2.0, id="NaN"),
        pytest.param(1.0, [1.0, 1.2, 1.5, 1.7, 1.9], float("inf"), id="infinite"),
    ],
)
def test_no_histogram_is_drawn_of_what_has_none(
    least: float, quantiles: list[float | None], greatest: float
) -> None:
    assert histogram(least, quantiles, greatest) is None


def test_a_quantile_beside_the_extremes_stays_in_the_chart() -> None:
    chart = histogram(0.1, [0.1 - 1e-17, 0.2, 0.3, 0.4, 0.5 + 1e-16], 0.5)
    assert chart is not None
    assert all(bar.x >= 0 for bar in chart.bars)


def test_a_line_is_broken_where_a_run_lacks_the_figure() -> None:
    chart = line([("a", 1.0), ("b", 3.0), ("c", None), ("d", 2.0)])
    assert chart is not None
    assert [[p.text for p in piece] for piece in chart.pieces] == [
        ["a: 1", "b: 3"],
        ["d: 2"],
    ]
    assert chart.pieces[0][0].y > chart.pieces[1][0].y > chart.pieces[0][1].y
    assert chart.text == "1, then 2; least 1, greatest 3; missing in 1 of 4"
    assert line([("a", None)]) is None


def test_what_is_no_number_is_missing() -> None:
    nan, infinity = float("nan"), float("inf")
    chart = line([("a", 1.0), ("b", nan), ("c", infinity)])
    assert chart is not None
    assert [p.text for piece in chart.pieces for p in piece] == ["a: 1"]
    drawn, none = bars([(2.0, nan, 3.0), (infinity, None, None)])
    assert drawn is not None
    assert (drawn.width, drawn.lower, none) == (pytest.approx(100 * 2 / 3), None, None)


def test_a_line_shows_what_it_is_held_against() -> None:
    chart = line([("a", 1.0), ("b", 1.1)], reference=2.0)
    assert chart is not None
    assert chart.reference is not None
    assert chart.reference.y < min(p.y for p in chart.pieces[0])
    assert "accepted 2" in chart.text


def test_one_bar_that_is_far_longer_than_all_others_is_cut_off() -> None:
    rows = [(1.0, 0.5, 1.5), (4.0, None, None), (1000.0, 900.0, 1100.0)]
    small, large, cut = (bar for bar in bars(rows) if bar)
    assert [bar.is_cut for bar in (small, large, cut)] == [False, False, True]
    assert (small.width, large.width, cut.width) == pytest.approx((20.0, 80.0, 100.0))
    assert small.upper == pytest.approx(30.0)
    assert cut.text.endswith("the bar is cut off")
    [_, beside] = bars([(1.0, None, None), (1000.0, None, None)])
    assert beside is not None
    assert not beside.is_cut


def test_bars_share_an_axis_that_holds_zero_and_all_ends() -> None:
    first, none, last = bars([(2.0, 1.0, 4.0), (None, None, None), (-1.0, None, None)])
    assert none is None
    assert first is not None
    assert last is not None
    assert first.zero == last.zero == pytest.approx(20.0)
    assert (first.x, first.width) == pytest.approx((20.0, 40.0))
    assert (first.lower, first.upper) == pytest.approx((40.0, 100.0))
    assert (last.x, last.width, last.lower) == (0.0, pytest.approx(20.0), None)
    assert first.text == "2, interval 1 to 4"


def test_what_moved_by_little_can_be_told_apart_in_the_text() -> None:
    chart = line([("a", 2013.41), ("b", 2013.42)])
    assert chart is not None
    assert chart.text == "2,013.41, then 2,013.42"
