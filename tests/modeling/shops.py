"""A small panel of another kind than the hospitals': shops, prices and sales."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tests.conftest import PROJECT

PIPELINE = """
source: {use: csv, path: data.csv}
columns: {shop: label, year: code, sold: number, price: number, visits: number}
panel:
  time: year
  entity: [shop]
  target: sold
  values: [sold]
stages:
  sanitize_column_names: {snapshot: sales, key: [shop, year]}
  lag_columns: {}
  rolling_columns: {}
  drop_present: {snapshot: features, key: [shop, year]}
rolling_columns: {drop_nulls: true}
"""

MODELING = """
name: shops
panel: sales
past: [sold_rolling2, sold_lag1]
split: {train: [2011, 2013], valid: 2014, test: [2015, 2015]}
model: ridge
baselines: [last_value]
coverage: 0.8
study: {trials: 2, folds: 2}
bootstrap: {samples: 100}
promotion: {max_bias: 0.9, max_coverage_gap: 0.5, max_slice_loss: 0.9}
"""


def shops(root: Path, years: Sequence[int]) -> Path:
    """Make a project of 20 shops; what they sell is twice their visitors, about."""
    (root / "configs" / "models").mkdir(parents=True)
    for model in ("ridge", "last_value"):
        path = Path("configs", "models", f"{model}.yaml")
        shutil.copy(PROJECT / path, root / path)
    (root / "configs" / "pipeline.yaml").write_text(PIPELINE)
    (root / "configs" / "modeling.yaml").write_text(MODELING)
    ids = range(20)
    rows = [
        (f"s{i:02}", year, 2.0 * ((i * 7 + t * 5) % 19), i + t, (i * 7 + t * 5) % 19)
        for i in ids
        for t, year in enumerate(years)
    ]
    names = ["shop", "year", "sold", "price", "visits"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(root / "data.csv")
    return root


def with_store_of(prepared: Path, root: Path) -> None:
    """Give a project MLflow's empty store of another: to make one takes seconds."""
    store = Path(".pipeline", "mlflow")
    shutil.copytree(prepared / store, root / store)
