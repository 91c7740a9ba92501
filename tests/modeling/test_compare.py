"""Models side by side, on the same rows."""

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import mean_absolute_error

from pipeline.commands.cli import main
from pipeline.modeling.compare import compare_models
from pipeline.modeling.evaluate import evaluate
from tests.modeling.conftest import Load

BASELINES = "modeling.baselines=[last_value,rolling_mean]"


def test_models_are_compared_with_the_best_row_by_row(copied: Load) -> None:
    settings = copied(BASELINES)
    found = compare_models(settings, ["last_value", "ridge"])
    rows = {
        model: evaluate(settings, model).table("predictions").filter(model=model)
        for model in ("last_value", "ridge")
    }
    mae = {
        model: mean_absolute_error(table["y"], table["prediction"])
        for model, table in rows.items()
    }
    best, other = found.iter_rows(named=True)
    assert [best["model"], other["model"]] == sorted(mae, key=lambda name: mae[name])
    assert (best["behind"], best["behind_lower"]) == (None, None)
    for row in (best, other):
        table = rows[row["model"]]
        y, error = table["y"], table["prediction"] - table["y"]
        assert row["mae"] == pytest.approx(mae[row["model"]])
        assert row["lower"] < row["mae"] < row["upper"]
        assert row["bias"] == pytest.approx(error.sum() / np.abs(y).sum())
        assert row["wape_total"] <= row["wape_by_facility_id"]
    assert other["behind"] == pytest.approx(other["mae"] - best["mae"])
    assert other["behind_lower"] < other["behind"] < other["behind_upper"]
    alone = compare_models(settings, ["ridge"])
    assert alone["behind"].to_list() == [None]
    assert alone.columns == found.columns


def test_the_command_names_the_models_and_lists_the_differences(
    copied: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copied()
    monkeypatch.chdir(settings.root)
    words = [
        "source=csv",
        "source.path=data/raw.csv",
        BASELINES,
    ]

    def said(*command: str) -> str:
        result = CliRunner().invoke(main, [*command])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    head, *lines = said(
        "compare", "--profile", "ci", "--format", "csv", "ridge", "last_value", *words
    ).splitlines()
    assert head.startswith("model,mae,lower,upper,behind,")
    assert {line.split(",")[0] for line in lines} == {"ridge", "last_value"}
    select = "select count(*) from meta.comparisons where reference = 'last_value'"
    assert int(said("sql", "--format", "csv", select).splitlines()[1]) > 1
