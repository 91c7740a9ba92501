"""Variants as they are typed: made, listed, asked, dropped."""

import shutil
from pathlib import Path

import pytest

from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, make_project


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run and a variant."""
    root = make_project(tmp_path_factory.mktemp("variants"), n_rows=3000, of=LEAN)
    assert invoke(root, "run", *SOURCE).exit_code == 0
    words = ("lag_columns.periods=2", *SOURCE)
    done = invoke(root, "run", "--variant", "lag_2", *words)
    assert "lag_2  features" in done.output
    assert "just diff features --variant lag_2" in done.output
    return root


def test_a_variant_is_listed_asked_and_compared(root: Path) -> None:
    listed = invoke(root, "variants").output
    assert "other than published: features" in listed
    asked = ("sql", "--variant", "lag_2", "--format", "csv")
    found = invoke(root, *asked, "select count(mean_cost_lag2) > 0 as f from features")
    assert found.output.splitlines() == ["f", "true"]
    assert invoke(root, "diff", "features", "--variant", "lag_2").exit_code == 1
    assert invoke(root, "diff", "drgs", "--variant", "lag_2").exit_code == 0
    assert invoke(root, "diff", "drgs", "latest", "--variant", "lag_2").exit_code == 0


def test_a_sweep_with_a_failure_says_it_last_and_ends_with_1(root: Path) -> None:
    words = ("lag_columns.columns=[mean_cost],[nosuch]", *SOURCE)
    done = invoke(root, "sweep", *words)
    assert done.exit_code == 1
    assert 'unable to find column "nosuch"' in done.output
    assert "1 variant, 1 new" in done.output
    [name] = [line.split()[0] for line in done.output.splitlines() if "  feat" in line]
    assert invoke(root, "variants", "--drop", name).exit_code == 0


def test_equal_failures_are_said_once(root: Path) -> None:
    words = ("lag_columns.columns=[nosuch]", "drop_rare_drgs.min_total=1,2", *SOURCE)
    done = invoke(root, "sweep", *words)
    assert done.exit_code == 1
    assert "failed: min_total_1, min_total_2\n" in done.output
    assert done.output.count('unable to find column "nosuch"') == 1
    assert "0 variants" not in done.output


def test_an_adopted_variant_is_the_configuration(root: Path, tmp_path: Path) -> None:
    project = shutil.copytree(root, tmp_path / "project", symlinks=True)
    adopted = invoke(project, "adopt", "lag_2").output
    assert "+source: {use: csv, path: data/raw.csv}\n" in adopted
    assert "columns: [mean_cost, mean_charge], periods: 2}\n" in adopted
    assert "nothing to do" in invoke(project, "adopt", "lag_2").output
    assert "restored" in invoke(project, "run").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--variant", "x", "--force"), "leave the selection out"),
        (("run", "--variant", "X"), "expected a name"),
        (("sweep",), "nothing to vary"),
        (("sweep", "--name", "x", "lag_columns.periods=1,2"), "one name, 'x', for 2"),
        (("sql", "--variant", "lag2", "from features"), "did you mean 'lag_2'"),
        (("diff", "drgs", "--variant", "lag2"), "no variant 'lag2'"),
        (("diff", "drgs", "-1", "-2", "--variant", "lag_2"), "one run"),
        (("adopt", "lag2"), "did you mean 'lag_2'"),
        (("variants", "--drop", "lag2"), "did you mean 'lag_2'"),
    ],
)
def test_what_cannot_be_done_is_said(
    root: Path, words: tuple[str, ...], message: str
) -> None:
    done = invoke(root, *words)
    assert done.exit_code
    assert message in done.output
