"""What is told of a plan without it, and that it is told as it is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plan.settings import Settings
from pipeline.plan.wiring import Selection
from pipeline.run.outline import Outline, describe, outline_of
from pipeline.run.run import check
from tests.commands.conftest import SOURCE, invoke, invoke_lightly, told


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "999")


def outlined(settings: Settings) -> Outline:
    return outline_of(settings, check(settings))


QUESTIONS = [
    ("plan", *SOURCE),
    ("lineage", "features.mean_cost_lag1", *SOURCE),
    ("lineage", "features", *SOURCE),
    ("lineage", "--format", "openlineage", *SOURCE),
]
MISTAKES = [
    ("plan", "--to", "lag_column", *SOURCE),
    ("run", "--only", "lag_column", *SOURCE),
    ("lineage", "features.mean_cost_lagl", *SOURCE),
    ("show", "lag_columnz", *SOURCE),
    ("show", "predictions", *SOURCE),
    ("show", "features", "--columns", "yeer", *SOURCE),
]


def test_what_is_kept_is_told_without_a_dataframe_as_it_was(
    settled: Path,
) -> None:
    assert invoke(settled, "run", *SOURCE).exit_code == 0
    stamp = settled / ".pipeline" / "stamp.json"
    stamp.rename(stamp.with_suffix(".away"))
    before: list[str] = []
    for words in (*QUESTIONS, *MISTAKES):
        shutil.rmtree(settled / ".pipeline" / "memo", ignore_errors=True)
        found = invoke(settled, *words)
        assert (found.exit_code, found.stderr) == (0, "") or words in MISTAKES
        before.append(told(found))
    assert "nothing to do" in before[0]
    assert invoke(settled, *QUESTIONS[0]).exit_code == 0
    stamp.with_suffix(".away").rename(stamp)
    assert invoke_lightly(settled, *QUESTIONS, *MISTAKES) == before


@pytest.mark.usefixtures("wide")
def test_description_shows_stages_inputs_snapshots_and_schemas(
    golden_settings: Callable[..., Settings],
) -> None:
    lines = describe(outlined(golden_settings())).splitlines()
    facilities = "facilities (latest_values) <- sanitize_column_names"
    assert f"{facilities}  => snapshot facilities" in lines
    at = lines.index("median_profit (difference) <- drop_description_columns")
    assert any("+median_profit" in line for line in lines[at : at + 5])
    at = next(i for i, line in enumerate(lines) if "=> snapshot features" in line)
    assert any(line.strip().startswith("-: sum_discharges") for line in lines[at:])


def test_stages_are_listed_that_a_selection_needs(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings()

    def listed(selection: Selection) -> list[str]:
        lines = describe(outlined(settings), selection).splitlines()
        return [line.split()[0] for line in lines if " <- " in line]

    names = [stage.name for stage in settings.stages]
    assert listed(Selection()) == names
    of_facilities = ["sanitize_column_names", "facilities"]
    assert listed(Selection(to="facilities")) == of_facilities
    assert listed(Selection(only="lag_columns")) == ["lag_columns"]
    i = names.index("lag_columns")
    assert listed(Selection(from_="lag_columns")) == names[i:]
