"""What several commands are given means the same in each."""

from pathlib import Path

import click
import pytest

from pipeline.commands.options import shown, split
from tests.commands.test_cli import invoke


def test_a_word_without_an_equals_sign_is_a_name_wherever_it_stands() -> None:
    assert split(("a=1", "x", "b="), "model") == ("x", ("a=1", "b="))
    assert split((), "model") == (None, ())
    with pytest.raises(click.UsageError, match="expected one model, found x, y"):
        split(("x", "a=1", "y"), "model")


@pytest.mark.parametrize("command", ["lineage", "tune"])
def test_commands_take_one_name(project: Path, command: str) -> None:
    result = invoke(project, command, "x", "y")
    assert result.exit_code == 2
    assert ", found x, y" in result.stderr


def test_of_several_profiles_the_last_one_wins(project: Path) -> None:
    for name, n in (("one", 1), ("two", 2)):
        path = project / "configs" / "profiles" / f"{name}.yaml"
        path.write_text(f"lag_columns: {{periods: {n}}}")
    words = ("config", "--profile", "two", "--profile", "one")
    assert "periods: 1\n" in invoke(project, *words).stdout


def test_a_path_is_shown_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent) == str(tmp_path.parent)
