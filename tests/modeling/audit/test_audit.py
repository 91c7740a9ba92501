"""The audit is silent on sound features, and names exactly those that leak."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pipeline.commands.cli import main
from pipeline.config import BaseConfig
from pipeline.errors import SourceError
from pipeline.modeling.audit.audit import Audit, audit
from pipeline.modeling.audit.worlds import ROWS
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.transforms import Transform, load_transform
from tests.modeling.shops import shops

OPEN = "drop_non_lag_columns.columns=${panel.values}"
"""Lets what else is of its period through."""

SLOW = pytest.mark.slow

COUNTS = {"facility_drg_count", "year_drg_count", "ratio_drg_facility_vs_year"}


@pytest.fixture
def of_years(project: Path) -> Callable[..., ModelingSettings]:
    """Settings of `project` that read the golden rows of some years, by overrides."""

    def settings(
        years: Iterable[int], *overrides: str, profile: str | None = None
    ) -> ModelingSettings:
        path = project / "data" / "raw.csv"
        raw = pl.read_csv(path, infer_schema=False)
        raw.filter(pl.col("Year").is_in([str(y) for y in years])).write_csv(path)
        words = ("source=csv", "source.path=data/raw.csv", *overrides)
        return load_modeling(project, profile=profile, overrides=words)

    return settings


def leaking(found: Audit) -> set[str]:
    """Name what leaks."""
    return {leak.column for leak in found.leaks}


def test_the_default_leaks_nothing(of_years: Callable[..., ModelingSettings]) -> None:
    found = audit(of_years(range(2009, 2013)))
    assert found.leaks == []
    assert found.times == [2010, 2011, 2012]
    assert len(found.features) == 34
    assert "w_total_median_profit" not in found.features
    # 830 rows of features, all of them when shuffled and when renamed, most in either
    # other world.
    assert 34 * 830 * 3 < found.n_values < 34 * 830 * 4


def test_the_leaks_of_the_origin_are_exactly_these(
    of_years: Callable[..., ModelingSettings],
) -> None:
    found = audit(of_years(range(2009, 2013), profile="origin"))
    assert leaking(found) == COUNTS | {"yearly_discharge_bin", ROWS}
    for check in ("future changed", "future cut off"):
        at = {leak.times for leak in found.leaks if leak.check == check}
        assert at == {(year,) for year in found.times}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        # As the leaks of the origin.
        pytest.param(
            "yearly_discharge_bin.lag=0", {"yearly_discharge_bin"}, marks=SLOW
        ),
        pytest.param("ratio_drg_facility_vs_year.lag=0", COUNTS, marks=SLOW),
        pytest.param("lag_columns.by=row", set(), marks=SLOW),
        # The first year has features then, and decides by itself which DRGs are rare.
        ("rolling_columns.drop_nulls=false", {ROWS}),
        # DRGs that later years make rare are counted no more in earlier ones.
        (
            "drop_rare_drgs.reference_periods=null",
            {f"{name}_lag1" for name in (*COUNTS, "yearly_discharge_bin")} | {ROWS},
        ),
    ],
)
def test_a_leak_is_found_where_a_single_value_opens_it(
    of_years: Callable[..., ModelingSettings], override: str, expected: set[str]
) -> None:
    assert leaking(audit(of_years([2009, 2010, 2011], override, OPEN))) == expected


def test_a_feature_that_depends_on_the_order_of_rows_is_found(
    of_years: Callable[..., ModelingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def number(lf: pl.LazyFrame, config: BaseConfig) -> pl.LazyFrame:
        numbered = lf.with_columns(pl.int_range(pl.len()).alias("Discharges"))
        return load_transform("sanitize_column_names").apply(numbered, config)

    def load(name: str, _: object) -> Transform:
        loaded = load_transform(name)
        is_first = name == "sanitize_column_names"
        return dataclasses.replace(loaded, apply=number) if is_first else loaded

    monkeypatch.setattr("pipeline.plan.settings.load_transform", load)
    found = audit(of_years([2009, 2010], "drop_rare_drgs.min_total=0"))
    shuffled = {leak.column for leak in found.leaks if leak.check == "rows shuffled"}
    assert "sum_discharges_lag1" in shuffled


def test_a_year_after_a_gap_is_audited(
    of_years: Callable[..., ModelingSettings],
) -> None:
    words = ("rolling_columns.window=3", "yearly_discharge_bin.lag=0", OPEN)
    found = audit(of_years([2009, 2010, 2013], *words))
    assert found.times == [2010, 2013]
    at = {(leak.check, *leak.times) for leak in found.leaks}
    assert at == {
        ("future changed", 2010),
        ("future cut off", 2010),
        ("future changed", 2013),
    }


@pytest.mark.parametrize("drop_nulls", ["true", "false"])
def test_one_year_is_an_error(
    of_years: Callable[..., ModelingSettings], drop_nulls: str
) -> None:
    settings = of_years([2012], f"rolling_columns.drop_nulls={drop_nulls}")
    with pytest.raises(SourceError, match=r"has no row that knows a past") as error:
        audit(settings)
    assert "found: 'discharges' with year 2012\n" in str(error.value)


@pytest.mark.parametrize(
    ("dropped", "exit_code", "begins"),
    [
        (
            "[sold, price, visits]",
            0,
            ["no leak: 2 features x 5 periods", "ridge on permuted rows: "],
        ),
        (
            "[sold, visits]",
            1,
            [
                "price: 2011-2015: ",
                "1 leak: 3 features x 5 periods",
                "ridge on permuted rows: ",
            ],
        ),
    ],
)
def test_the_command_names_leaks_and_exits_with_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dropped: str,
    exit_code: int,
    begins: list[str],
) -> None:
    monkeypatch.chdir(shops(tmp_path, range(2010, 2016)))
    result = CliRunner().invoke(main, ["audit", f"drop_present.columns={dropped}"])
    lines = result.output.splitlines()
    assert result.exit_code == exit_code
    assert all(line.startswith(b) for line, b in zip(lines, begins, strict=True))


def test_a_panel_of_every_fifth_year_is_audited_as_it_is_named(tmp_path: Path) -> None:
    root = shops(tmp_path, range(1990, 2020, 5))
    words = ("lag_columns.by=row",)
    found = audit(load_modeling(root, overrides=words))
    assert found.leaks == []
    # Five years in three worlds: a forecast is of the year that is next there.
    n_shops, n_features = 20, 2
    assert found.n_values > 5 * n_shops * n_features * 2.5


def test_snapshots_of_other_names_are_audited_as_the_settings_name_them(
    tmp_path: Path,
) -> None:
    root = shops(tmp_path, range(2010, 2014))
    for name in ("pipeline.yaml", "modeling.yaml"):
        file = root / "configs" / name
        text = file.read_text().replace("snapshot: features", "snapshot: learned")
        file.write_text(text.replace("sales", "sold_by_shop"))
    words = ("modeling.features=learned", "drop_present.columns=[sold]")
    settings = load_modeling(root, overrides=words)
    assert settings.modeling.panel == "sold_by_shop"
    assert leaking(audit(settings)) == {"price", "visits"}
    one_year = "source.path=one.csv"
    pl.read_csv(root / "data.csv").filter(year=2010).write_csv(root / "one.csv")
    with pytest.raises(SourceError) as caught:
        audit(load_modeling(root, overrides=(words[0], one_year)))
    assert "snapshot 'learned' has no row that knows a past" in str(caught.value)
    assert "found: 'sold_by_shop' with year 2010\n" in str(caught.value)
