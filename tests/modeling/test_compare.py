"""Models side by side, on the same rows."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import mean_absolute_error

from pipeline.commands.cli import main
from pipeline.modeling.compare import compare_models
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.fit.amount import amount
from tests.modeling.conftest import Load

BASELINES = "modeling.baselines=[last_value,rolling_mean]"


def test_models_are_compared_with_the_best_row_by_row(copied: Load) -> None:
    settings = copied(BASELINES)
    found = compare_models(settings, ["last_value", "ridge"]).table
    judged = {model: evaluate(settings, model) for model in ("last_value", "ridge")}
    rows = {
        model: evaluation.table("predictions").filter(model=model)
        for model, evaluation in judged.items()
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
        assert row["mae_lower"] < row["mae"] < row["mae_upper"]
        assert row["bias"] == pytest.approx(error.sum() / np.abs(y).sum())
        evaluation = judged[row["model"]]
        figures = evaluation.table("evaluation").filter(
            model=row["model"], slice_by="all"
        )
        for metric in ("bias", "wape_total", "wape_by_facility_id", "r2", "coverage"):
            [figure] = figures.filter(metric=metric).to_dicts()
            shown = (row[metric], row[f"{metric}_lower"], row[f"{metric}_upper"])
            assert shown == (figure["value"], figure["lower"], figure["upper"])
        assert row["fit_s"] == evaluation.training.record.fit_s > 0
        assert row["rows_per_s"] == table.height / evaluation.record.predict_s
    assert other["behind"] == pytest.approx(other["mae"] - best["mae"])
    assert other["behind_lower"] < other["behind"] < other["behind_upper"]
    alone = compare_models(settings, ["ridge"]).table
    assert alone["behind"].to_list() == [None]
    assert alone.columns == found.columns


@pytest.mark.slow
def test_the_only_baseline_is_compared_too(copied: Load) -> None:
    found = compare_models(copied("modeling.model=ridge"), ["last_value", "ridge"])
    assert set(found.table["model"]) == {"last_value", "ridge"}


@pytest.mark.slow
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

    told: list[str] = []

    def said(*command: str) -> str:
        result = CliRunner().invoke(main, [*command])
        assert result.exit_code == 0, result.stderr
        told.append(result.stderr)
        return result.stdout

    models = ("ridge", "last_value")
    command = ("compare", "--profile", "ci", "--format", "csv", *models, *words)
    head, *lines = said(*command).splitlines()
    assert head.startswith("model,mae,mae_lower,mae_upper,behind,")
    assert {line.split(",")[0] for line in lines} == {"ridge", "last_value"}
    best = dict(zip(head.split(","), lines[0].split(","), strict=True))
    shown = {
        line.split()[0]: line for line in said(*command[:3], *command[5:]).splitlines()
    }
    assert shown.keys() == {n for n in best if not n.endswith(("_lower", "_upper"))}
    assert shown["model"].split()[1:] == [line.split(",")[0] for line in lines]
    mae, lower, upper = (
        amount(float(best[f"mae{end}"])) for end in ("", "_lower", "_upper")
    )
    assert f" {mae} [{lower}, {upper}]  " in shown["mae"]
    assert shown["behind"].split()[1] == "-"
    assert shown["bias"].split()[1] == f"{float(best['bias']):.1%}"
    assert told[1].startswith("  amounts in $; 95 % bounds in brackets\n")
    [page] = re.findall(r"^  page: (.*)$", told[0], re.MULTILINE)
    assert page == ".pipeline/models/inpatient_profit_ci.html"
    links = re.findall(r'href="(.*?)"', Path(page).read_text())
    assert len(links) == 2
    assert all(Path(page).parent.joinpath(link).is_file() for link in links)
    select = "select count(*) from meta.comparisons where reference = 'last_value'"
    assert int(said("sql", "--format", "csv", select).splitlines()[1]) > 1
