"""Nothing is learned from a feature that knows its own period."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.files.checksum import read_sealed
from pipeline.modeling.audit import guard
from pipeline.modeling.audit.audit import audit, describe_audit
from pipeline.modeling.audit.guard import (
    AuditRecord,
    audit_all,
    learnable_features,
)
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.run.run import check
from pipeline.transforms import load_transform
from tests.modeling.conftest import Load
from tests.modeling.shops import shops

YEARS = range(2010, 2016)
LET_THROUGH = "drop_present.columns=[sold]"


def settings_of(root: Path, *overrides: str) -> ModelingSettings:
    return load_modeling(root, overrides=overrides)


def columns_of(settings: ModelingSettings) -> list[str]:
    return check(settings.pipeline).snapshots["features"].schema.names()


def test_a_column_in_no_list_is_no_feature_unless_it_is_known(tmp_path: Path) -> None:
    root = shops(tmp_path, YEARS)
    past = ["sold_lag1", "sold_rolling2"]
    assert columns_of(settings_of(root)) == ["shop", "year", "sold", *past]
    named = settings_of(root, "panel.known=[price]")
    assert columns_of(named) == ["shop", "year", "sold", "price", *past]
    df = learnable_features(named).read(named.modeling)
    assert df.height == 100
    found = audit(named)
    assert found.leaks == []
    # Where the future is cut off, the price is the last, and is not compared.
    assert found.features == ["price", *past]


def test_features_that_know_their_period_are_named_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shops(tmp_path, YEARS)
    with pytest.raises(ModelError) as caught:
        learnable_features(settings_of(root, LET_THROUGH))
    first, *leaks, hint = str(caught.value).splitlines()
    assert first.startswith("features: 2 of the columns know what their period has yet")
    assert [line.split(":")[0] for line in leaks] == ["  price", "  visits"]
    assert "`panel.known` says what is known" in hint
    # One that is allowed, and the other that is known.
    words = (LET_THROUGH, "modeling.leaks=[visits]", "panel.known=[price]")
    assert learnable_features(settings_of(root, *words)).on_trust == (
        "visits: know their own period, and are let pass by `modeling.leaks`",
        "price: taken to be known before their period",
    )
    monkeypatch.setattr(guard, "audit", lambda *_, **__: pytest.fail("looked again"))
    learnable_features(settings_of(root, *words))
    with pytest.raises(ModelError):
        learnable_features(settings_of(root, *words, "modeling.leaks=[]"))
    with pytest.raises(pytest.fail.Exception):
        learnable_features(settings_of(root))


def test_what_an_audit_has_found_is_kept_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_ROWS", 60)
    settings = settings_of(shops(tmp_path, YEARS))
    learnable_features(settings)
    [file] = tmp_path.glob(".pipeline/audits/*.json")
    there = read_sealed(file, AuditRecord)
    assert there is not None
    assert there.audit.part == 0.5
    found = audit_all(settings)
    assert found.part == 1
    assert list(describe_audit(found, allowed=[])) == [
        f"no leak: 2 features x 5 periods (2011-2015), {found.n_values:,} values"
        " compared"
    ]
    monkeypatch.setattr(guard, "audit", lambda *_, **__: pytest.fail("looked again"))
    assert audit_all(settings) == found
    learnable_features(settings)


SALES = "{snapshot: sales, key: [shop, year]}"


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    load_transform.cache_clear()
    yield monkeypatch
    load_transform.cache_clear()


def leaks_with(
    root: Path,
    patch: pytest.MonkeyPatch,
    column: pl.Expr | list[pl.Expr],
    *changes: tuple[str, str],
) -> list[str]:
    """Let stage `difference` make a column, and say what leaks."""

    def difference(lf: pl.LazyFrame, _: object) -> pl.LazyFrame:
        return lf.with_columns(column)

    patch.setattr("pipeline.transforms.difference.difference", difference)
    file = shops(root, YEARS) / "configs" / "pipeline.yaml"
    for before, after in changes:
        file.write_text(file.read_text().replace(before, after))
    words = [f"difference.{key}=total" for key in ("minuend", "subtrahend", "column")]
    with pytest.raises(ModelError) as caught:
        learnable_features(settings_of(root, LET_THROUGH, *words))
    _, *leaks, _ = str(caught.value).splitlines()
    return [line.strip().split(":")[0] for line in leaks]


BEFORE_THE_PANEL = (SALES, f"{{}}\n  difference: {SALES}")


@pytest.mark.parametrize(
    "ahead",
    [
        pl.col("sold").shift(-1).over("shop", order_by="year"),
        pl.col("sold").sum().over("shop"),
    ],
    ids=["next", "sum"],
)
def test_the_past_of_a_panel_that_looks_ahead_is_no_past(
    tmp_path: Path, patch: pytest.MonkeyPatch, ahead: pl.Expr
) -> None:
    values = ("values: [sold]", "values: [sold, total]")
    found = leaks_with(tmp_path, patch, ahead.alias("total"), BEFORE_THE_PANEL, values)
    assert "total_lag1" in found


@pytest.mark.parametrize("is_late", [True, False], ids=["late", "early"])
def test_a_column_that_knows_its_period_at_times_only_is_named(
    tmp_path: Path, patch: pytest.MonkeyPatch, is_late: bool
) -> None:
    is_last = pl.col("year") == YEARS[-1]
    knows = pl.when(is_last if is_late else ~is_last).then("sold").alias("total")
    last = ("  lag_columns: {}", "  lag_columns: {}\n  difference: {}")
    assert "total" in leaks_with(tmp_path, patch, knows, last)


def test_where_time_is_computed_what_is_before_is_looked_at(
    tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    made = [pl.col("year") * 1, pl.col("sold").sum().over("shop").alias("total")]
    values = ("values: [sold]", "values: [sold, total]")
    found = leaks_with(tmp_path, patch, made, BEFORE_THE_PANEL, values)
    assert found[-3:] == ["total", "total_lag1", "total_rolling2"]


def in_a_table(column: str) -> pl.Expr:
    """Look up what a shop sells in the year, in a table that stands in the code."""
    table = {
        f"s{i:02} {year}": (i * 3 + year) % 7.0 for i in range(20) for year in YEARS
    }
    key = pl.format("{} {}", "shop", "year")
    return key.replace_strict(table, default=None, return_dtype=pl.Float64).alias(
        column
    )


@pytest.mark.parametrize("is_hidden", [True, False], ids=["hidden", "plain"])
def test_a_table_in_the_code_is_found(
    tmp_path: Path, patch: pytest.MonkeyPatch, is_hidden: bool
) -> None:
    column = in_a_table("total")
    if is_hidden:
        column = pl.coalesce(column, "sold_lag1").alias("sold_lag1")
    last = ("  rolling_columns: {}", "  rolling_columns: {}\n  difference: {}")
    name = "sold_lag1" if is_hidden else "total"
    assert name in leaks_with(tmp_path, patch, column, last)


def test_a_table_by_period_is_said(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    growth = pl.col("year").replace_strict({2014: 1.2}, default=1.0)

    def difference(lf: pl.LazyFrame, _: object) -> pl.LazyFrame:
        return lf.with_columns(growth.alias("growth"))

    patch.setattr("pipeline.transforms.difference.difference", difference)
    file = shops(tmp_path, YEARS) / "configs" / "pipeline.yaml"
    last = "  rolling_columns: {}\n"
    file.write_text(file.read_text().replace(last, f"{last}  difference: {{}}\n"))
    words = [f"difference.{key}=total" for key in ("minuend", "subtrahend", "column")]
    assert learnable_features(settings_of(tmp_path, *words)).on_trust == (
        "growth: of no data: a calendar, or a table in the code",
    )


def test_a_target_that_is_no_feature_is_said_before_anything_is_compared(
    ml: Load,
) -> None:
    with pytest.raises(ModelError) as caught:
        learnable_features(ml("modeling.target=w_mean_cst"))
    first, name, *_ = str(caught.value).splitlines()
    assert first.startswith("features: lacks ")
    assert name.startswith("  target: 'w_mean_cst'; did you mean 'w_mean_cost")


SIZES = """
sources:
  sizes: {use: csv, path: sizes.csv, columns: {Shop: label, size: number}}
with_sizes: {keys: [shop], columns: [size]}
"""


def test_a_table_by_entity_is_let_pass_and_said(tmp_path: Path) -> None:
    file = shops(tmp_path, YEARS) / "configs" / "pipeline.yaml"
    panel = "{snapshot: sales, key: [shop, year]}"
    joined = """
  sizes_by_shop: {transform: sanitize_column_names, inputs: [sizes]}
  with_sizes: {transform: join, inputs: [sanitize_column_names, sizes_by_shop]}"""
    file.write_text(file.read_text().replace(panel, panel + joined) + SIZES)
    sizes = [f"s{i:02},{i * 7 % 5}\n" for i in range(20)]
    (tmp_path / "sizes.csv").write_text("Shop,size\n" + "".join(sizes))
    settings = settings_of(tmp_path, "panel.known=[size]")
    features = learnable_features(settings)
    assert features.on_trust == (
        "size: taken to be known before their period",
        "size: of other sources, taken to say of a period what is known before it",
    )
