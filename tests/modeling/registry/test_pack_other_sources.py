"""What other sources say goes with a model, as if it stood in the rows."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import ModelError, SchemaError
from pipeline.modeling.audit.audit import audit
from pipeline.modeling.bundle.bundle import Bundle, load_bundle
from pipeline.modeling.data import read_rows
from pipeline.modeling.forecast import forecast
from pipeline.modeling.promote import promote
from pipeline.modeling.registry.pack import pack
from pipeline.modeling.score import score
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.train import train
from tests.modeling.conftest import draw_nothing
from tests.modeling.shops import shops

YEARS = range(2010, 2016)
COLUMNS = "columns: {shop: label, year: code, sold: number, visits: number"
PANEL = "{snapshot: sales, key: [shop, year]}"
JOIN = "  with_prices: {transform: join, inputs: [sanitize_column_names, prices]"
SOURCES = """
sources:
  prices: {use: excel, path: prices.xlsx, columns: {year: code, price: number}}
with_prices: {keys: [year], columns: [price]}
"""


def prices(root: Path, years: range = YEARS, last: float = 8.0) -> pl.DataFrame:
    """Write the prices of all years, and of the one after them."""
    of_years = [float(year * 7 % 11) for year in years]
    all_years = [*years, years.stop]
    table = pl.DataFrame({"year": all_years, "price": [*of_years, last]})
    table.write_excel(root / "prices.xlsx")
    return table


def project(
    root: Path, where: str, *words: str, years: range = YEARS
) -> ModelingSettings:
    """Let prices stand in the rows, or be joined before or behind the panel."""
    file = shops(root, years) / "configs" / "pipeline.yaml"
    _, _, stages = file.read_text().partition("panel:")
    head = f"source: {{use: csv, path: data.csv}}\n{COLUMNS}"
    stages = stages.replace("values: [sold]", "values: [sold, price]")
    if where == "before":
        stages = stages.replace(PANEL, "{}\n" + f"{JOIN}, {PANEL[1:]}")
    elif where == "behind":
        stages = stages.replace(PANEL, f"{PANEL}\n{JOIN}}}")
    price = ", price: number" if where == "rows" else ""
    more = "" if where == "rows" else SOURCES
    file.write_text(f"{head}{price}}}\npanel:{stages}{more}")
    table = prices(root, years).with_columns(pl.col("year").cast(pl.Int64))
    rows = pl.read_csv(root / "data.csv").drop("price")
    joined = rows.join(table, on="year", maintain_order="left")
    # What is sold follows the price of the year before.
    before = pl.col("price").shift(1).over("shop", order_by="year").fill_null(3)
    sold = pl.col("sold") / 4 + 20 * before
    joined.with_columns(sold).write_csv(root / "data.csv")
    return load_modeling(root, overrides=("models.ridge.params.alpha=0.1", *words))


def packed(settings: ModelingSettings) -> Bundle:
    """Train a model, and pack it."""
    folder = settings.root / "bundle"
    return pack(settings, train(settings, "ridge"), {}, folder)


def rows_of(bundle: Bundle, settings: ModelingSettings) -> pl.DataFrame:
    return read_rows(settings.pipeline).select(list(bundle.record.columns))


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", [pytest.param("before", marks=pytest.mark.slow), "behind"]
)
def test_a_table_that_is_joined_is_packed_as_if_it_stood_in_the_rows(
    where: str, by_hand: pl.DataFrame, tmp_path: Path
) -> None:
    settings = project(tmp_path, where)
    bundle = packed(settings)
    made = bundle.forecast(rows_of(bundle, settings), alone=True)
    assert_frame_equal(made, by_hand, check_exact=True)
    prices = bundle.folder / "others" / "prices.parquet"
    assert pl.read_parquet(prices).columns == ["year", "price"]
    with pytest.raises(ModelError, match=r"^sources\.prices: rows: 1 missing"):
        bundle.beside({"prices": pl.DataFrame({"year": [2010]})})
    twice = pl.DataFrame({"year": [2010, 2010], "price": [1.0, 2.0]})
    with pytest.raises(SchemaError, match="found: more than one row of year=2010\n"):
        bundle.beside({"prices": twice}).forecast(rows_of(bundle, settings), alone=True)
    assert "xlsx" not in (bundle.folder / "bundle.json").read_text()


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What is forecast of rows that hold the prices."""
    settings = project(tmp_path_factory.mktemp("by_hand"), "rows")
    bundle = packed(settings)
    return bundle.forecast(rows_of(bundle, settings), alone=True)


@pytest.mark.slow  # two trainings
def test_a_table_is_joined_at_each_step_ahead(tmp_path: Path) -> None:
    years = range(2010, 2019)
    split = "{train: [2013, 2014], valid: [2015, 2016], test: [2017, 2018]}"
    words = ("modeling.horizon=2", f"modeling.split={split}", "modeling.study.folds=1")
    made: list[pl.DataFrame] = []
    for where in ("rows", "behind"):
        settings = project(tmp_path / where, where, *words, years=years)
        assert audit(settings).leaks == []
        bundle = packed(settings)
        made.append(bundle.forecast(rows_of(bundle, settings), alone=True))
    by_hand, joined = made
    assert set(joined["year"]) == {2019, 2020}
    assert_frame_equal(joined, by_hand, check_exact=True)


@pytest.mark.slow  # a model is registered, asked in a process of its own, and audited
def test_a_forecast_goes_by_the_table_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_nothing(monkeypatch)
    eased = "modeling.promotion.max_coverage_gap=0.99"
    settings = project(tmp_path, "behind", "panel.known=[price]", eased)
    promotion = promote(settings, "ridge", withdraw=False)
    assert promotion.is_champion, promotion.reasons
    [note] = [note for note in promotion.notes if "other sources" in note]
    assert note.startswith("price, price_lag1, price_rolling2: of other ")
    first = forecast(settings).predictions
    assert not forecast(settings).is_new
    scored = score(settings, tmp_path / "data.csv", alone=True).predictions
    of_shops = scored.unique("shop").sort("shop")
    assert of_shops["prediction"].to_list() == first["prediction"].to_list()

    prices(tmp_path, last=9.0)
    second = forecast(settings)
    assert second.is_new
    assert second.predictions["prediction"][0] != first["prediction"][0]
    bundle = load_bundle(promotion.version.folder / "artifacts" / "bundle")
    made = bundle.forecast(rows_of(bundle, settings), alone=True)
    assert made.unique("shop").sort("shop")["prediction"].to_list() == (
        first["prediction"].to_list()
    )
    rivals = promote(settings, "last_value", withdraw=False).comparison
    assert "champion (version 1)" in rivals["reference"].to_list()
