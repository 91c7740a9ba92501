"""What is shown of a stage's rows, against SQL, a run's figures and other runs."""

import shutil
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import ConfigError, SchemaError, SnapshotError
from pipeline.plan.settings import load_settings
from pipeline.run.rows import Now, StageRows, look_now
from pipeline.run.show import Asked, diff_against, show, show_figures
from pipeline.snapshots.store import read_object
from tests.why.conftest import Shop


def test_chosen_rows_are_those_that_sql_chooses(shop: Shop, now: Now) -> None:
    asked = Asked("store = 'S1' AND revenue > 500", ("revenue", "item", "year"), 5)
    found = show(now.rows("revenue"), asked)
    with duckdb.connect() as con:
        expected = con.execute(
            "SELECT Price * Sold AS revenue, Item, Year FROM read_csv($file)"
            " WHERE Store = 'S1' AND revenue > 500 ORDER BY Item, Year, Size LIMIT 5",
            {"file": str(shop.settings.root / "sales.csv")},
        ).fetchall()
    assert found.rows.rows() == expected
    assert found.said == "revenue: the first 5 rows, computed from source"


def test_how_many_rows_there_are_is_said_where_a_run_has_counted_them(
    shop: Shop, now: Now
) -> None:
    n = shop.rows("panel").height
    text = "lagged: the first 2 rows of {:,}, computed from panel"
    assert show(now.rows("lagged"), Asked(limit=2)).said == text.format(n)
    whole = show(now.rows("lagged"), Asked(limit=n))
    assert (whole.rows.height, whole.said) == (
        n,
        f"lagged: {n} rows, computed from panel",
    )
    one = show(now.rows("source"), Asked(limit=1))
    assert one.said == "source: the first row, as in its files"
    assert show(now.rows("lagged"), Asked(limit=2**40)).rows.height == n
    assert show(now.rows("lagged"), Asked(limit=0)).rows.columns == whole.rows.columns


def test_figures_are_those_that_a_run_records(shop: Shop, now: Now) -> None:
    [published] = [s for s in shop.run.snapshots if s.name == "features"]
    record = read_object(shop.store, *published.object)
    assert record is not None
    table = show_figures(now.rows("features"), Asked()).rows
    for row, column in zip(table.to_dicts(), record.columns, strict=True):
        assert row["column"] == column.name
        assert (row["nulls"], row["distinct"]) == (column.n_nulls, column.n_distinct)
        assert (row["min"], row["max"], row["mean"]) == (
            *(column.min, column.max, column.mean),
        )
        assert [row[q] for q in ("q05", "q25", "q50", "q75", "q95")] == (
            column.quantiles or [None] * 5
        )


def test_figures_are_of_the_rows_that_are_chosen(now: Now) -> None:
    asked = Asked("year = 2012", ("w_price",))
    [row] = show_figures(now.rows("yearly"), asked).rows.to_dicts()
    prices = show(now.rows("yearly"), Asked()).rows.filter(year=2012)["w_price"]
    assert row["mean"] == pytest.approx(prices.mean())
    assert (row["distinct"], row["q50"]) == (prices.n_unique(), prices.quantile(0.5))


@pytest.fixture(scope="module")
def bin_rows(now: Now) -> StageRows:
    """The rows of a stage."""
    return now.rows("bin")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked("yaer = 2012"), "yaer\"; did you mean 'year'?\nfound in bin: year, st"),
        (Asked("max(year) = 2012"), "expected an expression of one row, found `max`"),
        (Asked("year +"), "--where: "),
        (Asked("year = '2015'"), "(i32)\nfound in bin: year Int32\nhint"),
        (Asked("year"), "--where: filter predicate must be of type `Boolean`"),
        (Asked("1=1) OR (2=2); drop"), "expected one expression"),
        (Asked(columns=("stoer",)), "no column 'stoer'; did you mean 'store'?"),
    ],
)
def test_a_mistake_names_what_is_there(
    bin_rows: StageRows, asked: Asked, said: str
) -> None:
    with pytest.raises(ConfigError, match=r"^show: --(where|columns): ") as error:
        asked.of(bin_rows)
    assert said in str(error.value)


def test_rows_are_compared_with_those_of_a_run(
    shop: Shop, now: Now, changed: Now
) -> None:
    title, found = diff_against(changed, "lagged", "latest", Asked())
    before = show(now.rows("lagged"), Asked()).rows
    after = show(changed.rows("lagged"), Asked()).rows
    key = ["store", "item", "year"]
    gone = before.join(after, on=key, how="anti")
    assert (found.rows.before, found.rows.after) == (before.height, after.height)
    assert found.rows.removed == gone.height > 0
    was = f"{shop.run.run_id} (today's code, computed from panel)"
    assert title == f"lagged: {was} -> now (computed from sales)"

    asked = Asked("item = 1", ("rank",))
    title, found = diff_against(now, "features", "-0", asked)
    assert found.is_equal
    assert found.rows.before == shop.rows("features").filter(item=1).height > 0
    assert [column.name for column in found.columns] == ["rank"]
    assert title.endswith("(snapshot features) -> now (snapshot features)")


def test_a_column_that_only_one_side_has_is_told_as_such(shop: Shop) -> None:
    words = ("lagged.periods=[1]",)
    less = look_now(load_settings(shop.settings.root, overrides=words))
    asked = Asked(columns=("w_price_lag1", "w_price_lag3"))
    _, found = diff_against(less, "features", "latest", asked)
    assert [column.name for column in found.schema.removed] == ["w_price_lag3"]
    assert [column.name for column in found.columns] == ["w_price_lag1"]
    with pytest.raises(ConfigError, match="no column 'w_price_lag2'"):
        diff_against(less, "features", "latest", Asked(columns=("w_price_lag2",)))


def test_what_a_run_read_must_be_there_or_kept(shop: Shop, tmp_path: Path) -> None:
    root = shutil.copytree(shop.settings.root, tmp_path / "p", symlinks=True)
    with (root / "sales.csv").open("a") as file:
        file.write("2010,S1,1,7,5,4.5\n")
    changed = look_now(load_settings(root))
    with pytest.raises(SnapshotError, match="what it read is not there as it was"):
        diff_against(changed, "revenue", "latest", Asked())


@pytest.mark.slow
def test_rows_that_cannot_be_made_are_said_in_words(shop: Shop) -> None:
    root = shop.settings.root
    settings = load_settings(root, overrides=("joined.keys=[store]",))
    with pytest.raises(SchemaError, match="more than one row of store=S"):
        show(look_now(settings).rows("joined"), Asked())
