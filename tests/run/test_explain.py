"""What `just plan` says of a run that is not one pass."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.plan.settings import load_settings
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from tests.engine.conftest import WORDS, copy_small

AMOUNTS = (
    "median_profit, mean_profit, total_mean_profit, total_median_profit,"
    " total_median_cost, total_mean_cost"
)
ROUNDS = f"""\
  round 1: from source: sanitize_column_names, drop_description_columns, {AMOUNTS};\
 facts: drgs, facilities, drop_rare_drgs
  round 2: from drop_description_columns: {AMOUNTS}, drop_rare_drgs, agg_severities;\
 facts: ratio_drg_facility_vs_year; snapshots: discharges
  round 3: from agg_severities: ratio_drg_facility_vs_year; facts: yearly_discharge_bin
  round 4: from ratio_drg_facility_vs_year: yearly_discharge_bin, lag_columns,\
 rolling_columns, drop_non_lag_columns; snapshots: facility_drg_year, features"""

NO_COLUMN = "lag_columns.keys=[apr_drg_code]"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A project of 40 facilities in two files."""
    copy_small(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "999")


def how(root: Path, *words: str) -> str:
    """Take what is said below what would be done."""
    settings = load_settings(root, overrides=(*WORDS, *words))
    text = describe_freshness(settings, Selection())
    assert not (root / ".pipeline").exists()
    return text.partition("starting at the source\n")[2]


def test_one_pass_needs_no_words(small: Path) -> None:
    assert how(small) == how(small, "engine.partitions=1", NO_COLUMN) == ""


@pytest.mark.parametrize(
    ("words", "head"),
    [
        (
            ["engine.partitions=3", "engine.memory=1.25GiB"],
            "part by part: 3 parts, by facility_id; engine.memory: 1.25 GiB",
        ),
        (
            ["engine.memory=200MiB"],
            "in one pass if its rows fit, else in parts, by facility_id; engine.memory:"
            " 200 MiB; decided once they are counted",
        ),
        (
            ["engine.memory=2GiB", "source.path=absent.csv"],
            "in one pass if its rows fit, else in parts, by facility_id; engine.memory:"
            " 2 GiB; decided once the source is there",
        ),
        (
            ["engine=spark", "engine.partitions=1", "engine.memory=2GiB"],
            "on Spark (local[2]): 1 part, by facility_id; engine.memory: 2 GiB",
        ),
        (
            ["engine=spark", "engine.master=yarn", "engine.memory=2GiB"],
            "on Spark (yarn): as many parts as its cores need, by facility_id;"
            " engine.memory: 2 GiB",
        ),
    ],
    ids=["parts", "auto", "absent", "spark", "spark-auto"],
)
def test_engine_parts_memory_and_rounds_are_said(
    small: Path, words: list[str], head: str
) -> None:
    assert how(small, *words) == f"{head}\n{ROUNDS}"


@pytest.mark.parametrize("words", [["engine.partitions=2"], ["engine=spark"]], ids=str)
def test_rows_that_cannot_be_split_are_refused_as_by_a_run(
    small: Path, words: list[str]
) -> None:
    with pytest.raises(ConfigError, match="no column by which the rows of all stages"):
        how(small, *words, NO_COLUMN)


def test_rows_that_cannot_be_split_are_refused_only_if_they_must_be(
    small: Path,
) -> None:
    found = how(small, "engine.memory=200MiB", NO_COLUMN)
    assert "else refused: no column by which the rows of all stages" in found
