"""Permuted rows leave nothing to learn, unless a feature leaks."""

import dataclasses

import polars as pl
import pytest

from pipeline.config import BaseConfig
from pipeline.modeling.audit.audit import (
    Permuted,
    audit_permuted,
    describe_permuted,
    permute,
)
from pipeline.modeling.settings import ModelingSettings
from pipeline.transforms import Transform, load_transform
from tests.modeling.conftest import Load

KINDS = [
    "none",
    "growth, scale: 100000",
    *(
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in ("asinh, scale: 100000", "difference")
    ),
]


def of_kind(ml: Load, kind: str) -> ModelingSettings:
    """Settings whose default model is fitted to another target."""
    settings = ml()
    path = settings.root / "configs" / "models" / "lightgbm.yaml"
    lines = path.read_text().splitlines()
    target = [f"target: {{kind: {kind}}}"]
    rest = [line for line in lines if not line.startswith("target:")]
    path.write_text("\n".join(target + rest))
    return ml()


def test_each_entity_gets_all_rows_of_another_one_of_its_period() -> None:
    n = 50
    rows = pl.DataFrame(
        {
            "year": [1] * 2 * n + [2] * 2 * n,
            "unit": [*range(n), *range(n)] * 2,
            "value": [*range(n), *range(n, 2 * n), *range(2 * n, 3 * n)] + [0] * n,
        }
    )
    made = permute(rows, "year", ["unit"], seed=1)
    # The rows themselves, and who is there, are the same ...
    assert made.select("year", "value").equals(rows.select("year", "value"))
    assert (
        made.select("year", "unit")
        .sort(pl.all())
        .equals(rows.select("year", "unit").sort(pl.all()))
    )
    # ... both rows of a unit go together, ...
    first, second = made[:n], made[n : 2 * n]
    assert first["unit"].equals(second["unit"])
    # ... elsewhere in another year.
    assert first["unit"].to_list() != made[2 * n : 3 * n]["unit"].to_list()
    assert (first["unit"] == rows[:n]["unit"]).sum() < 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_permuted_rows_is_worth_nothing(ml: Load, kind: str) -> None:
    found = audit_permuted(of_kind(ml, kind))
    assert found.model == "lightgbm"
    assert found.n_rows > 200
    assert abs(found.correlation) < found.bound
    assert not found.is_leak


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_that_is_the_target_is_found(
    ml: Load, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def planted(lf: pl.LazyFrame, config: BaseConfig) -> pl.LazyFrame:
        made = load_transform("drop_present").apply(lf, config)
        return made.with_columns(pl.col("w_total_median_profit").alias("planted"))

    def load(name: str, _: object) -> Transform:
        loaded = load_transform(name)
        is_last = name == "drop_present"
        return dataclasses.replace(loaded, apply=planted) if is_last else loaded

    monkeypatch.setattr("pipeline.plan.settings.load_transform", load)
    found = audit_permuted(of_kind(ml, kind))
    assert found.correlation > 0.5
    assert found.is_leak


def test_a_leak_is_said_in_a_line() -> None:
    assert describe_permuted(Permuted("ridge", -0.01234, 10_001)) == (
        "ridge on permuted rows: a rank correlation of -0.012 in 10,001 rows, expected"
        " at most 0.040"
    )
    assert describe_permuted(Permuted("ridge", 0.9, 26)) == (
        "the target says something to a model that should know nothing:"
        " ridge on permuted rows: a rank correlation of +0.900 in 26 rows, expected at"
        " most 0.800"
    )
