"""The page of all models, side by side."""

import polars as pl
import pytest

from pipeline.modeling.card.ranking import Ranking, draw_figures, page
from pipeline.modeling.settings import load_modeling
from tests.conftest import PROJECT
from tests.modeling import model_frames
from tests.modeling.card.test_card import Page, rows_of_tables


@pytest.fixture(scope="module")
def html() -> str:
    modeling = load_modeling(
        PROJECT, overrides=("modeling.metric=rmse", "modeling.name=a_b")
    ).modeling
    bounds = {"lower": 1.0, "upper": 3.0}
    table = pl.DataFrame(
        {
            "model": ["a<b", "ridge"],
            "rmse": [2e5, 3e5],
            "rmse_lower": [1e5, 2e5],
            "rmse_upper": [3e5, 4e5],
            "behind": [None, 1e5],
            **{f"behind_{end}": [None, 1e4 * v] for end, v in bounds.items()},
            "bias": [0.02, -0.1],
            **{f"bias_{end}": [v / 100, -v / 100] for end, v in bounds.items()},
            "fit_s": [12.345, 0.0123],
            "rows_per_s": [123_456.0, 1e6],
        }
    )
    evaluation = pl.concat(
        model_frames.evaluation().filter(model="boosted").with_columns(model=pl.lit(m))
        for m in table["model"]
    )
    cards = {"a<b": "a/card.html", "ridge": "ridge/card.html"}
    ranking = Ranking(modeling, "synthetic", table, evaluation, cards)
    return page(ranking, draw_figures(ranking))


def test_each_model_has_its_figures_intervals_and_times(html: str) -> None:
    none = "\N{EN DASH}"
    assert rows_of_tables(html) == [
        ["Metric", "a<b", "ridge"],
        ["RMSE", "$200k", "$100k to $300k", "$300k", "$200k to $400k"],
        ["behind", none, "$100k", "$10k to $30k"],
        ["bias", "+2.0%", "+1.0% to +3.0%", "-10.0%", "-1.0% to -3.0%"],
        ["fit", "12.3 s", "0.0123 s"],
        ["predicts", "123k rows/s", "1M rows/s"],
    ]


def test_the_page_is_whole_and_says_what_it_shows(html: str) -> None:
    text = " ".join(Page(html).texts)
    for said in (
        "a_b models compared",
        "Predicts w_total_median_profit of a facility_id and apr_drg_code one year",
        "Made from synthetic data.",
        "rows of 2016 to 2017, which no choice was made on.",
        "just compare a<b ridge",
    ):
        assert said in text
    assert html.count("<svg") == html.count("<figure>") == 2
    assert 'href="ridge/card.html"' in html
    assert "http" not in html.replace("http://www.w3.org/", "")
