"""A small project in which a value is made in every way that there is."""

import random
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from pipeline.plan.compose import compose_again, compose_declared
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import run
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import Store, open_store
from pipeline.why.why import Why, why

PIPELINE = """
source: {use: csv, path: sales.csv}
columns: {Year: code, Store: text, Item: code, Size: code, Sold: count, Price: money}
panel: {time: year, every: 1, entity: [store, item]}
stages:
  sanitize_column_names: {}
  revenue: {transform: product}
  large: {transform: filter, snapshot: sales, key: [store, item, year, size]}
  towns: {transform: latest_values, inputs: [large], snapshot: sizes, key: [store]}
  common: {transform: drop_rare, inputs: [large]}
  yearly: {transform: aggregate_weighted}
  dearer: {transform: derive}
  ranked: {transform: rank_of_year}
  coverage: {transform: share_of_categories}
  bin: {transform: size_bin, snapshot: panel, key: [store, item, year]}
  of_store: {transform: aggregate, inputs: [bin]}
  joined: {transform: join, inputs: [bin, of_store]}
  lagged: {transform: lag_columns}
  rowwise: {transform: lag_columns}
  grown: {transform: change}
  rolled: {transform: rolling_columns}
  known: {transform: expanding, snapshot: features, key: [store, item, year]}
  odd: {transform: undeclared, snapshot: odd, key: [store, item, year]}
revenue: {factor: price, by: sold, column: revenue}
large: {where: size < 4}
towns: {keys: [store], columns: [size], time: year}
common: {category: item, weight: sold, min_total: 40}
yearly:
  keys: [store, item, year]
  share_of: size
  codes: [1]
  share: share_{}
  weight: sold
  means: [price]
  medians: [revenue]
dearer: {columns: {above: w_price - w_revenue}}
coverage:
  {entity: store, category: item, entity_count: n, time_count: all, ratio: coverage}
bin: {entity: store, weight: sum_sold, column: bin}
of_store: {keys: [store, year], time: year, columns: {sum_sold: [max]}}
joined: {keys: [store, year], columns: [sum_sold_max]}
lagged: {columns: [w_price, rank, sum_sold_max], periods: [1, 3]}
rowwise: {columns: [w_revenue], periods: 2, by: row, suffix: "_up{}"}
grown: {columns: [w_price], periods: [2]}
rolled: {columns: [w_price], window: 2, drop_nulls: false, by: calendar}
known: {keys: [item], columns: [w_price]}
"""

RANK = '''"""The rank of a price in its year."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.split import Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings."""


def rank_of_year(lf: pl.LazyFrame, _: Config) -> pl.LazyFrame:
    """Rank."""
    return lf.with_columns(pl.col("w_price").rank().over("year").alias("rank"))


def split(_: Config) -> Split:
    """Keep years whole."""
    return Split(keys=("year",))
'''

UNDECLARED = '''"""How far a row is behind the first."""

import polars as pl

from pipeline.config import BaseConfig


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings."""


def undeclared(lf: pl.LazyFrame, _: Config) -> pl.LazyFrame:
    """Compare."""
    behind = pl.col("sum_sold").max() - pl.col("sum_sold")
    return lf.select("store", "item", "year", "rank", behind=behind)
'''


def sales() -> pl.DataFrame:
    """Make rows; some periods are absent, and item 0 is rare."""
    draw = random.Random(1)
    rows = [
        (
            *(year, f"S{store}", item, size),
            draw.randint(5, 9) if item else 1,
            draw.randint(100, 999) / 8,
        )
        for year in range(2010, 2018)
        for store in range(4)
        for item in range(6)
        if draw.random() < 0.8
        for size in range(1, draw.randint(2, 7))
    ]
    draw.shuffle(rows)
    names = ("Year", "Store", "Item", "Size", "Sold", "Price")
    return pl.DataFrame(rows, names, orient="row")


def make_sales(root: Path) -> Path:
    """Write the project."""
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "pipeline.yaml").write_text(PIPELINE)
    (root / "transforms").mkdir()
    for name, text in (("rank_of_year", RANK), ("undeclared", UNDECLARED)):
        (root / "transforms" / f"{name}.py").write_text(text)
        (root / "transforms" / f"{name}.yaml").write_text("{}")
    sales().write_csv(root / "sales.csv")
    return root


class Shop(NamedTuple):
    """The project after its run."""

    settings: Settings
    plan: Plan
    store: Store
    run: RunRecord

    def why(self, name: str, *words: str) -> Why:
        """Ask why."""
        return why(self.settings, self.store, self.run, name, words)

    def made_of(
        self, rows: pl.DataFrame, snapshot: str, row: pl.Expr, column: str
    ) -> list[object]:
        """Compute a value of a snapshot of other rows."""
        plan = compose_again(self.plan, rows.lazy(), {})
        lf = plan.lf(plan.snapshots[snapshot].stage.name)
        return lf.filter(row).select(column).collect()[column].to_list()

    def rows(self, snapshot: str) -> pl.DataFrame:
        """Read what was published."""
        [found] = [s for s in self.run.snapshots if s.name == snapshot]
        return pl.read_parquet(self.store.object(*found.object))

    def source(self) -> pl.DataFrame:
        """Read the source's rows, typed."""
        types = self.plan.schema("source")
        return pl.read_csv(self.settings.root / "sales.csv", schema=types)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project that has run; not to change."""
    return run_in(make_sales(tmp_path_factory.mktemp("shop")))


STALLS = """
source: {use: csv, path: stalls.csv, max_bad_rows: 9}
columns: {Stall: text, Kind: text, Year: code, Sold: number}
sources:
  limits: {use: csv, path: limits.csv, columns: {Kind: text, limit: number}}
  prices:
    {use: csv, path: prices.csv, columns: {Kind: text, year: code, price: number}}
panel: {time: year, every: 1, entity: [stall]}
stages:
  sanitize_column_names: {}
  kinds: {transform: sanitize_column_names, inputs: [limits]}
  dated: {transform: sanitize_column_names, inputs: [prices]}
  limited: {transform: join, inputs: [sanitize_column_names, kinds]}
  below: {transform: filter}
  lag_columns: {}
  priced: {transform: join_past, inputs: [lag_columns, dated]}
  of_kind: {transform: expanding, snapshot: stalls, key: [stall, year]}
limited: {keys: [kind], columns: [limit]}
below: {where: sold < limit}
lag_columns: {columns: [sold], periods: [1]}
priced: {keys: [kind], columns: [price], lag: 1}
of_kind: {keys: [kind], columns: [sold]}
"""


@pytest.fixture(scope="session")
def stalls(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project with bad cells and several sources that has run; not to change."""
    root = tmp_path_factory.mktemp("stalls")
    (root / "configs").mkdir()
    (root / "configs" / "pipeline.yaml").write_text(STALLS)
    lines = ["Stall,Kind,Year,Sold"]
    for stall, kind in (("Ann", "tea"), ("Bob", "tea"), ("Cid", "nuts")):
        for year in range(2010, 2014):
            bad = (stall, year) in {("Ann", 2012), ("Cid", 2010)}
            lines.append(f"{stall},{kind},{year},{'many' if bad else year - 2000}")
    (root / "stalls.csv").write_text("\n".join([*lines, "Dee,tea,2010,many", ""]))
    (root / "limits.csv").write_text("Kind,limit\nnuts,12.5\ntea,98\n")
    years = "".join(f"tea,{year},{year - 2005}.5\n" for year in range(2010, 2014))
    (root / "prices.csv").write_text(f"Kind,year,price\n{years}")
    return run_in(root)


def run_in(root: Path) -> Shop:
    """Run a project."""
    settings = load_settings(root)
    report = run(settings)
    return Shop(settings, compose_declared(settings), open_store(root), report.run)
