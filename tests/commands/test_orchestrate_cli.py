"""`just orchestrate`: writes, refreshes and checks."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from tests.conftest import LEAN, make_project


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(make_project(tmp_path, of=LEAN))
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["orchestrate", *words])


def test_what_is_written_is_up_to_date_until_the_configuration_changes(
    here: Path,
) -> None:
    assert "no such file" in call("dvc", "--check").output
    assert call("dvc", "source=csv").output == "dvc.yaml: 2 tasks\n"
    assert "\n    cmd: just run --wait source=csv\n" in (here / "dvc.yaml").read_text()
    assert call("dvc", "source=csv", "--check").exit_code == 0
    stale = call("dvc", "--check")
    assert stale.exit_code != 0
    assert "hint: `just orchestrate dvc` writes it anew" in stale.output


def test_no_file_of_the_project_is_written_over_nor_one_elsewhere(here: Path) -> None:
    assert "is outside the project" in call("dvc", "-o", "../dvc.yaml").output
    result = call("dvc", "-o", "configs/pipeline.yaml")
    assert "is within configs/ of the project" in result.output
    (here / "dvc.yaml").write_text("stages: {}\n")
    assert "not made by `just orchestrate`" in call("dvc").output
