"""Whether the champion earns its place is told by what came; drift is named."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.modeling.monitor.monitor import faults
from pipeline.modeling.settings import Modeling
from tests.modeling.conftest import LENIENT, Load, load_in
from tests.modeling.monitor.test_scores import ask
from tests.modeling.test_commands import command_in

WORDS = [word for word in LENIENT if "coverage_gap" not in word]


@pytest.fixture(scope="module")
def modeling(promoted: Path) -> Modeling:
    """Settings under which intervals may hold 2 % less than 90 %."""
    gap = "modeling.promotion.max_coverage_gap=0.02"
    return load_in(promoted, *WORDS, gap).modeling


def rows(*, off: float = 1.0, width: float = 2.0, n_clusters: int = 40) -> pl.DataFrame:
    """What came: a model that is as far off as said, and a baseline that is 1 off."""
    rng = np.random.default_rng(1)
    n = n_clusters * 20
    y = rng.normal(0, 10, n)
    key = pl.DataFrame(
        {
            "facility_id": np.repeat(np.arange(n_clusters), 20),
            "apr_drg_code": np.tile(np.arange(20), n_clusters),
            "year": np.full(n, 2018),
            "y": y,
        }
    )
    said = y + off * rng.normal(0, 1, n)
    naive = y + rng.normal(0, 1, n)
    own = key.with_columns(
        model=pl.lit("ridge"),
        prediction=pl.Series(said),
        lower=pl.Series(said - width),
        upper=pl.Series(said + width),
    )
    unknown = pl.lit(None, pl.Float64)
    other = own.with_columns(
        model=pl.lit("last_value"),
        prediction=pl.Series(naive),
        lower=unknown,
        upper=unknown,
    )
    return pl.concat([own, other])


def found(table: pl.DataFrame, modeling: Modeling) -> list[str]:
    """Say what is wrong with a ridge."""
    return list(faults(table, "ridge", modeling, coverage=0.9))


def test_a_champion_that_is_as_good_and_as_sure_as_it_says_stays(
    modeling: Modeling,
) -> None:
    assert found(rows(), modeling) == []
    assert found(rows(off=0.5, width=1.0), modeling) == []


def test_one_that_is_worse_than_a_baseline_beyond_chance_goes(
    modeling: Modeling,
) -> None:
    [fault] = found(rows(off=1.5, width=3.0), modeling)
    assert fault.startswith("MAE $1.")
    assert "is above that of last_value, $0.794, beyond chance" in fault
    assert "the difference is +$0.448, with a lower bound of +$0.3" in fault
    # A little worse may be chance.
    assert found(rows(off=1.02), modeling) == []


def test_one_whose_intervals_hold_too_little_goes(modeling: Modeling) -> None:
    [fault] = found(rows(width=1.0), modeling)
    assert fault.startswith("intervals hold 6")
    assert fault.endswith("of the outcomes, expected 90.0% within 2.00%")
    both = found(rows(off=1.5, width=1.0), modeling)
    assert [f.split()[0] for f in both] == ["MAE", "intervals"]


def test_of_few_clusters_little_can_be_told(modeling: Modeling) -> None:
    few = rows(n_clusters=3).filter(pl.col("apr_drg_code") < 3)
    assert found(few, modeling) == []


def test_a_champion_without_baselines_is_held_to_its_intervals(
    modeling: Modeling,
) -> None:
    assert found(rows(off=9, width=30).filter(model="ridge"), modeling) == []


def test_the_exit_code_is_of_the_champion_and_drift_is_named_with_its_weight(
    arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = command_in(arrived, monkeypatch)("monitor", *LENIENT)
    assert result.exit_code == 1
    verdict = "inpatient_profit_ci version 1 (ridge), the champion, no longer earns its"
    assert f"{verdict} place:\n  - MAE $" in result.stdout
    [line] = [text for text in result.stdout.splitlines() if " 2018 " in text]
    assert line.split()[:3] == ["2018", "1", "1"]
    assert "last_value" in line

    rows = ask(arrived, "from meta.drift").iter_rows(named=True)
    drift = {row["feature"]: row for row in rows}
    charge, size = drift["w_mean_charge_lag1"], drift["sum_discharges_lag1"]
    assert charge["why"].startswith("PSI ")
    share = f"importance {charge['importance']:.0%}"
    assert f"  w_mean_charge_lag1, {share}: {charge['why']}\n" in result.stdout
    assert (size["why"], size["is_drifted"]) == (None, False)
    assert "sum_discharges" not in result.stdout
    assert (charge["period"], charge["version"]) == ("2019", 1)
    # A feature weighs what its group does: the charge of all years before.
    assert charge["importance"] == drift["w_mean_charge_rolling2"]["importance"] > 0
    # What the next period knows of the newest one is told by that.
    now = ask(arrived, "select w_mean_charge from facility_drg_year where year = 2018")
    then = ask(arrived, "select w_mean_charge_lag1 from features where year <= 2017")
    for found, values, rel in (
        (charge["q50"], now, 0.1),
        (charge["q50_learned"], then, 0.02),
    ):
        assert found == pytest.approx(values.to_series().median(), rel=rel)


@pytest.mark.slow
def test_nothing_scored_yet_is_a_plain_word(
    copied: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = command_in(copied().root, monkeypatch)("monitor", *LENIENT)
    assert result.exit_code == 0
    waiting, verdict, *_ = result.stdout.splitlines()
    assert waiting == "forecast, and not come yet: year 2018"
    assert verdict.endswith("the champion: none of its forecasts is scored yet")
