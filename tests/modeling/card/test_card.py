import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.modeling.card.card import Card, draw_figures, page
from pipeline.modeling.records import FORMAT, TrainingRecord
from pipeline.modeling.settings import SplitConfig, load_modeling
from tests.conftest import PROJECT
from tests.modeling import model_frames

VOID = {"meta"}


class Page(HTMLParser):
    """The elements of a page, and its texts; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def card() -> Card:
    modeling = msgspec.structs.replace(
        load_modeling(PROJECT).modeling,
        name="profit",
        metric="rmse",
        coverage=0.8,
        split=SplitConfig(train=5, valid=1, test=2),
    )
    record = TrainingRecord(
        format=FORMAT,
        unused=[],
        spans={
            "train": ["2010", "2014"],
            "valid": ["2015", "2015"],
            "test": ["2016", "2017"],
        },
        model="boosted",
        fingerprint="3f9c2a1b00",
        created_at=datetime(2026, 11, 23, 7, 8, tzinfo=UTC),
        fit_s=1.5,
        features="9b1d7c",
        run_id="r1",
        config={
            "target": {"kind": "none"},
            "params": {"num_leaves": 63, "learning_rate": 0.05},
        },
        study=None,
        modeling={},
        n_rows={"train": 234567, "valid": 36923},
        metrics={},
        versions={},
        code="",
        commit=None,
        files={},
        mlflow_run="",
    )
    return Card(
        modeling=modeling,
        record=record,
        source="synthetic",
        registered=3,
        trials=model_frames.trials(),
        evaluation=model_frames.evaluation(),
        comparison=model_frames.comparison(),
        predictions=model_frames.predictions(),
        importance=model_frames.importance(),
        shap=model_frames.shap(),
        dependence=model_frames.dependence(),
    )


def with_modeling(card: Card, **changes: Any) -> Card:
    return replace(card, modeling=msgspec.structs.replace(card.modeling, **changes))


def with_record(card: Card, **changes: Any) -> Card:
    return replace(card, record=msgspec.structs.replace(card.record, **changes))


@pytest.fixture(scope="module")
def html(card: Card) -> str:
    return page(card, draw_figures(card))


def rows_of_tables(html: str) -> list[list[str]]:
    """The texts of each row of the page's tables."""
    rows = re.findall(r"<tr.*?>(.*?)</tr>", html, flags=re.DOTALL)
    return [Page(f"<p>{row}</p>").texts for row in rows]


def test_the_page_says_everything_the_card_does(html: str) -> None:
    text = " ".join(Page(html).texts)
    for said in (
        "profit boosted 3f9c2a1b made 2026-11-23 07:08 UTC, version 3 in the registry",
        "Predicts w_total_median_profit of a facility_id and apr_drg_code one year",
        "For analysts who plan and compare; not for decisions on single cases.",
        "features 9b1d7c synthetic w_total_median_profit",
        "the target itself num_leaves 63 learning_rate 0.05",
        "nothing about a single case. One year ahead only;",
        "Errors grow with size: the RMSE is $1.2M in the smallest tenth of clusters",
        "Intervals miss their coverage by more than 5 points in",
        "just tune boosted just evaluate boosted just promote",
    ):
        for word in said.split():
            assert word in text


def test_only_a_card_of_synthetic_data_says_that_it_is(card: Card, html: str) -> None:
    notice = "Made from synthetic data."
    texts = Page(html).texts
    users = "For analysts who plan and compare; not for decisions on single cases."
    # In the head, before any table and figure.
    assert texts.index(users) + 1 == texts.index(notice)
    assert notice not in page(replace(card, source="csv"), {})


def test_the_page_needs_nothing_else(html: str) -> None:
    shown = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & {*shown.tags}
    assert not [name for name, _ in shown.attributes if name in ("src", "href")]
    assert not [name for name, _ in shown.attributes if name.startswith("on")]
    outside = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert "http" not in outside
    assert "@import" not in outside
    assert re.findall(r"url\((?!#)", outside) == []


def test_every_figure_is_there_once(html: str) -> None:
    shown = Page(html)
    assert shown.tags.count("svg") == shown.tags.count("figure") == 10


def test_metrics_are_a_table_the_best_model_first(html: str) -> None:
    tables = rows_of_tables(html)
    at = tables.index(["Metric", "boosted", "last year", "ridge"])
    # Of an RMSE of 1.2M: a quarter, 3e-7, 5e-7, 0.02, 7.5e-7 and 9e-7.
    assert [row[:3] for row in tables[at + 1 : at + 12]] == [
        ["RMSE", "$1.2M", "$1.08M to $1.26M"],
        ["MAE", "$300k", "$270k to $315k"],
        ["WAPE", "36.0%", "32.4% to 37.8%"],
        ["R²", "0.600", "0.540 to 0.630"],
        ["pinball loss", "$24k", "$21.6k to $25.2k"],
        ["coverage", "90.0%", "81.0% to 94.5%"],
        ["bias", "-6.0%", "-5.4% to -6.3%"],
        ["MASE", "1.08", "0.97 to 1.13"],
        ["WAPE of totals", "6.0%", "5.4% to 6.3%"],
        ["WAPE of totals by facility_id", "12.0%", "10.8% to 12.6%"],
        ["WAPE of totals by apr_drg_code", "24.0%", "21.6% to 25.2%"],
    ]
    assert tables[at + 1][3] == "$1.5M"
    assert tables[at + 5][3:] == ["\N{EN DASH}"] * 2


def test_models_are_in_the_order_of_the_metric_that_decides(card: Card) -> None:
    is_own = (pl.col("model") == card.record.model) & (pl.col("metric") == "mae")
    worst = pl.when(is_own).then(1e9).otherwise("value").alias("value")
    changed = replace(card, evaluation=card.evaluation.with_columns(worst))
    by_mae = with_modeling(changed, metric="mae")
    for judged, place in ((changed, 0), (by_mae, 2)):
        tables = rows_of_tables(page(judged, {}))
        _, *models = next(row for row in tables if row[0] == "Metric")
        assert models[place] == card.record.model


def test_the_metric_that_models_are_compared_by_comes_first(card: Card) -> None:
    by_mae = card.comparison.with_columns(pl.lit("mae").alias("metric"))
    card = with_modeling(replace(card, comparison=by_mae), metric="mae")
    shown = Page(page(card, draw_figures(card)))
    assert shown.texts.index("MAE") < shown.texts.index("RMSE")
    titles = [text for text in shown.texts if text.startswith("MAE ")]
    assert [title for title in titles if "$" not in title] == [
        *("MAE on the test periods", "MAE against last year"),
        "MAE against the best baseline, by size of the cluster",
        *("MAE against last year, % of its MAE", "MAE on all test rows", "MAE by year"),
    ]
    assert "version" not in " ".join(
        Page(page(replace(card, registered=None), {})).texts
    )


def test_the_parts_of_the_data_are_a_table(html: str) -> None:
    tables = rows_of_tables(html)
    assert tables[:4] == [
        ["Part", "Periods", "Rows"],
        ["train", "2010 to 2014", "234,567"],
        ["validation", "2015", "36,923"],
        ["test", "2016 to 2017", "500"],
    ]


def test_headlines_hold_the_model_against_the_best_baseline(html: str) -> None:
    texts = Page(html).texts
    at = texts.index("RMSE against last year")
    assert texts[at + 1 : at + 3] == ["-20.0%", "95 % interval -33.3% to -13.3%"]
    at = texts.index("outcomes inside the intervals")
    assert texts[at + 1 : at + 3] == ["90.0%", "meant: 80.0%"]


def test_the_share_inside_the_intervals_is_said_with_what_was_meant(html: str) -> None:
    said = "They are meant to hold 80.0% of the outcomes; 90.0% were inside."
    assert said in Page(html).texts


def test_an_unknown_unit_is_said(card: Card, html: str) -> None:
    said = (
        "Its amounts are of an unknown unit: name that of the target under"
        " `modeling.units`."
    )
    unknown = with_modeling(card, units={})
    assert said in Page(page(unknown, draw_figures(unknown))).texts
    assert said not in Page(html).texts
    assert "$" not in page(unknown, draw_figures(unknown))


def test_the_study_names_its_best_complete_trial(html: str) -> None:
    said = "4 trials, 1 of them pruned; the best is number 3 with $600k"
    assert f"mean RMSE over the folds: {said}" in Page(html).texts


def test_all_texts_are_escaped(card: Card) -> None:
    evil = "<b onclick=x>&</b>"
    marked = with_modeling(
        card,
        **dict.fromkeys(("name", "target", "cluster", "features"), evil),
        entity=[evil],
    )
    config = card.record.config | {"params": {evil: evil}}
    marked = with_record(marked, features=evil, config=config)
    marked_card = replace(
        marked,
        source=evil,
        evaluation=card.evaluation.with_columns(
            model=pl.col("model").replace("ridge", evil)
        ),
        comparison=card.comparison.with_columns(
            reference=pl.col("reference").replace("last year", evil)
        ),
        importance=card.importance.with_columns(group=pl.lit(evil)),
    )
    shown = Page(page(marked_card, draw_figures(marked_card)))
    assert "b" not in shown.tags
    assert shown.texts.count(evil) > 10


def test_without_study_intervals_and_trees_their_parts_are_left_out(card: Card) -> None:
    bare = replace(
        card,
        trials=card.trials.clear(),
        shap=card.shap.clear(),
        evaluation=card.evaluation.filter(
            pl.col("slice_by") != "year", pl.col("slice") != "2017"
        ).with_columns(
            pl.when(~pl.col("metric").is_in(["pinball", "coverage"])).then(
                pl.col("value", "lower", "upper")
            )
        ),
    )
    shown = Page(page(bare, draw_figures(bare)))
    assert shown.tags.count("svg") == 6
    assert "Intervals" not in shown.texts
    assert "Study" not in shown.texts
    assert "outcomes inside the intervals" not in shown.texts


def test_without_slices_there_are_less_charts(card: Card) -> None:
    by_year = pl.col("slice_by").is_in(["all", "year"])
    few = card.evaluation.filter(by_year)
    plain = replace(
        card, evaluation=few, comparison=card.comparison.filter(slice_by="all")
    )
    figures = draw_figures(plain)
    assert "difference" not in figures
    assert "coverage" in figures
    assert "</html>" in page(plain, figures)
    years = few.filter(slice_by="year").drop("slice")
    months = years.join(pl.DataFrame({"slice": map(str, range(20))}), how="cross")
    many = pl.concat([few.filter(slice_by="all"), months.select(few.columns)])
    assert "coverage" not in draw_figures(replace(plain, evaluation=many))


def test_what_is_taken_on_trust_is_said(card: Card) -> None:
    trusted = with_record(card, on_trust=("price: known",))
    assert "price: known" in Page(page(trusted, {})).texts
    assert "price: known" not in Page(page(card, {})).texts


def test_a_backtest_says_of_each_window_what_was_learned_and_how_good_it_was(
    card: Card,
) -> None:
    def as_windows(df: pl.DataFrame) -> pl.DataFrame:
        years = df.filter(slice_by="year")
        return pl.concat([df, years.with_columns(slice_by=pl.lit("window"))])

    spans = {"train": ["2009", "2013"], "valid": ["2014", "2014"]}
    older = msgspec.structs.replace(card.record, spans=spans)
    several = replace(
        card,
        evaluation=as_windows(card.evaluation),
        comparison=as_windows(card.comparison),
        predictions=card.predictions.with_columns(
            window=pl.Series(["2017"] * 400 + ["2016"] * 100)
        ),
        windows=[("2017", card.record), ("2016", older)],
    )
    html = page(several, {})
    texts = Page(html).texts
    at = texts.index("2009 to 2013")
    assert texts[at - 1 : at + 8] == [
        *("2016", "2009 to 2013", "2014", "100", "$1.2M", "-6.0%", "90.0%"),
        *("-20.0%", "-33.3% to -13.3%"),
    ]
    assert "judged on 2 windows" in html
    assert texts[texts.index("test") + 2] == "400"
    assert "2009 to 2013" not in page(card, {})
