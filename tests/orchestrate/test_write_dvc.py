"""What is written for DVC, run by DVC."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.orchestrate.conftest import call_in

pytestmark = pytest.mark.slow

QUIET = {"DVC_NO_ANALYTICS": "1"}


@pytest.fixture(scope="module")
def dvc(tool: Callable[[str], Path]) -> Path:
    return tool("dvc==3.67.1") / "dvc"


def repro(root: Path, dvc: Path, *words: str) -> tuple[list[str], str]:
    """Name the tasks that DVC runs, and what it says."""
    done = call_in(root, dvc, "repro", *words, **QUIET)
    return re.findall("Running stage '(.*)':", done.stdout), done.stdout


def begun(root: Path, dvc: Path) -> None:
    """Write the tasks, and make a repository of DVC's."""
    assert call_in(root, "pipeline", "orchestrate", "dvc").returncode == 0
    for words in (["git", "init", "-q", "."], [dvc, "init", "-q"]):
        assert call_in(root, *words, **QUIET).returncode == 0


def test_tasks_are_done_once_and_then_where_something_changes(
    shop: Path, dvc: Path
) -> None:
    begun(shop, dvc)
    done, said = repro(shop, dvc)
    studied = ["tune_ridge", "train_ridge", "evaluate", "promote", "forecast"]
    assert done == ["run", "train_last_value", *studied, "monitor", "docs"], said
    assert repro(shop, dvc)[0] == []
    model = shop / "configs" / "models" / "ridge.yaml"
    model.write_text(model.read_text().replace("alpha: 100}", "alpha: 90}"))
    assert repro(shop, dvc, "evaluate")[0] == ["tune_ridge", "train_ridge", "evaluate"]
    shown = call_in(shop, dvc, "metrics", "show", "--md", **QUIET).stdout
    assert re.search(r"evaluate\.json .*ridge", shown)
    # Of what changes no row, nothing follows.
    config = shop / "configs" / "pipeline.yaml"
    config.write_text(f"{config.read_text()}history: {{runs: 7}}\n")
    assert repro(shop, dvc, "evaluate")[0] == ["run"]


def test_a_change_that_is_taken_back_is_published_again(shop: Path, dvc: Path) -> None:
    begun(shop, dvc)
    config = shop / "configs" / "pipeline.yaml"
    as_it_was = config.read_text()
    asked = ("sql", "select column_name from (describe features)", "--format", "csv")
    columns: list[str] = []
    for text in (as_it_was, f"{as_it_was}lag_columns: {{periods: 2}}\n", as_it_was):
        config.write_text(text)
        done, said = repro(shop, dvc, "run")
        assert done == ["run"], said
        columns.append(call_in(shop, "pipeline", *asked).stdout)
    assert columns[0] == columns[2] != columns[1]


def test_a_task_that_fails_says_why_and_with_which_code(shop: Path, dvc: Path) -> None:
    begun(shop, dvc)
    config = shop / "configs" / "pipeline.yaml"
    config.write_text(config.read_text().replace("lag_columns: {}", "lag_colums: {}"))
    code = call_in(shop, "pipeline", "run").returncode
    done, said = repro(shop, dvc, "run")
    assert done == ["run"]
    assert said.count("error: ") == 1
    assert "did you mean 'lag_columns'" in said
    assert f"exited with {code}" in said
    assert "Traceback" not in said
