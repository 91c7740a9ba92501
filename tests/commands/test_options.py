"""What several commands are given means the same in each."""

import os
from pathlib import Path

import click
import pytest

from pipeline.commands.cli import main
from pipeline.commands.options import as_typed, harmless, shown, split
from tests.commands.test_cli import invoke


def test_a_word_without_an_equals_sign_is_a_name_wherever_it_stands() -> None:
    assert split(("a=1", "x", "b="), "model") == ("x", ("a=1", "b="))
    assert split((), "model") == (None, ())
    with pytest.raises(click.UsageError, match="expected one model, found x, y"):
        split(("x", "a=1", "y"), "model")


def test_commands_are_named_as_they_are_typed_in_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    text = (
        "`just run --force`, `just env`, 'just run', `just runner`, just sql\n"
        "next:\n  just new-transform x   a new one\n  just run {}\n"
    )
    with click.Context(main):
        assert as_typed(text) == text
        (project / "justfile").unlink()
        assert as_typed(text) == (
            "`pipeline run --force`, `just env`, 'just run', `just runner`, just sql\n"
            "next:\n  pipeline new-transform x   a new one\n  pipeline run {}\n"
        )


def test_hints_and_what_is_next_can_be_typed_without_a_justfile(project: Path) -> None:
    words = "path=data/raw.csv"
    for command in ("just", "pipeline"):
        mistake, data = invoke(project, "sql", "x"), invoke(project, "data", words)
        assert f"hint: `{command} run` makes them" in mistake.stderr
        assert data.stdout.endswith(f"next:\n  {command} run source.{words}\n")
        (project / "justfile").unlink(missing_ok=True)


def test_a_project_is_named_or_stands_around_the_working_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    named = invoke(outside, "--project", str(project), "query")
    assert named.exit_code == 0
    assert named.stdout == invoke(project / "configs", "query").stdout != ""
    relative = os.path.relpath(project, outside)
    assert invoke(outside, "--project", relative, "query").stdout == named.stdout


def test_what_a_project_has_is_said_where_none_is(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Of a folder that is named, those above it do not count.
    outside, within = tmp_path_factory.mktemp("outside"), project / "configs"
    for result, place, where in (
        (invoke(outside, "sql", "select 1"), outside, "in it or above it"),
        (invoke(outside, "--project", str(within), "tune"), within, "in it"),
        (invoke(within, "--project", "gone", "plan"), within / "gone", "in it"),
    ):
        assert result.exit_code == 2
        fault, expected, hint = result.stderr.splitlines()
        assert fault == f"error: {place}: no project here"
        assert expected == f"expected configs/pipeline.yaml {where}"
        assert "--project DIR, in Python Project(DIR); configs/README.md" in hint


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


def test_no_command_writes_in_place_of_what_the_project_is_made_of() -> None:
    written = {
        name: param.callback
        for name, command in main.commands.items()
        for param in command.params
        if param.name in ("output", "target") and param.type.name != "text"
    }
    assert {*written.values()} == {harmless}
    assert {"show", "sql", "score", "docs", "review", "export"} <= {*written}


def test_what_needs_the_lock_of_the_store_can_wait_for_it() -> None:
    waiting = {
        name
        for name, command in main.commands.items()
        if any(param.name == "wait" for param in command.params)
    }
    of_models = {"tune", "train", "evaluate", "compare", "promote", "forecast"}
    of_models |= {"monitor", "score", "audit", "pipeline"}
    of_store = {"restore", "verify", "lock-results", "review", "gc", "pull"}
    assert waiting == {"run", "profile", "variants", "sweep", *of_models, *of_store}
