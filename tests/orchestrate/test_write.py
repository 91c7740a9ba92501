"""What is written for tools: refreshed, never in place of what is not ours."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ConfigError
from pipeline.orchestrate import FILES
from pipeline.orchestrate.tasks import Tasks, tasks_of
from pipeline.orchestrate.write import (
    render,
    require_current,
    to_python,
    to_yaml,
    write,
)
from tests.conftest import LEAN, PROJECT

HOSTILE = "source.path=it's/a b/$(touch x)`y`;&|<> é\t.csv"


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return tasks_of(PROJECT)


def test_commands_are_what_a_shell_takes_them_for() -> None:
    tasks = tasks_of(LEAN, overrides=[HOSTILE])
    text = render("dvc", tasks, LEAN, LEAN / "dvc.yaml", "just")
    run = yaml.safe_load(text)["stages"]["run"]
    assert shlex.split(run["cmd"]) == ["just", "run", "--wait", HOSTILE]
    assert run["deps"][-1] == HOSTILE.removeprefix("source.path=")
    assert text.count("\n# Refreshed by: ") == 1


def test_paths_lead_from_the_file_to_the_project(tasks: Tasks, tmp_path: Path) -> None:
    root = tmp_path / "in" / "project"
    for target, folder in ((root, None), (root / "a b" / "c", "../..")):
        text = render("dvc", tasks, root, target / "dvc.yaml", "just")
        stages = yaml.safe_load(text)["stages"]
        assert {stage.get("wdir") for stage in stages.values()} == {folder}
        assert str(tmp_path) not in text


@pytest.mark.parametrize("tool", FILES)
def test_a_file_is_current_until_a_line_of_it_is_another(
    tool: str, tasks: Tasks, tmp_path: Path
) -> None:
    target = tmp_path / "sub" / FILES[tool]
    text = render(tool, tasks, tmp_path, target, "just")
    refresh = f"`just orchestrate {tool} -o sub/{FILES[tool]}` writes it anew"
    with pytest.raises(ConfigError, match=f"no such file\nhint: {refresh}"):
        require_current(text, target)
    write(text, target)
    require_current(text, target)
    lines = text.splitlines(keepends=True)
    target.write_text("".join([*lines[:2], "other\n", *lines[3:]]))
    with pytest.raises(ConfigError, match="line 3: is out of date\nfound: other\n"):
        require_current(text, target)
    target.write_text("".join(lines[:-1]))
    with pytest.raises(ConfigError, match=f"line {len(lines)}: .*\nfound: \n"):
        require_current(text, target)


def test_what_is_not_ours_is_left(tasks: Tasks, tmp_path: Path) -> None:
    target = tmp_path / "dvc.yaml"
    target.write_text("stages: {mine: {cmd: make}}\n")
    with pytest.raises(ConfigError, match="not made by `just orchestrate`"):
        write("anything", target)
    assert "mine" in target.read_text()


def test_every_task_follows_files_of_those_before_it(tasks: Tasks) -> None:
    text = render("dvc", tasks, PROJECT, PROJECT / "dvc.yaml", "just")
    stages = yaml.safe_load(text)["stages"]
    made = {name: [*s.get("metrics", [{}])[0]] for name, s in stages.items()}
    for task in tasks.tasks:
        read = {path for before in task.after for path in made[before]}
        assert (read and read <= {*stages[task.name]["deps"]}) or task.name == "run"
    assert "always_changed" not in text
    unseen = tasks_of(
        PROJECT, overrides=["source=parquet", "source.path=s3://b/a.parquet"]
    )
    text = render("dvc", unseen, PROJECT, PROJECT / "dvc.yaml", "just")
    assert yaml.safe_load(text)["stages"]["run"]["always_changed"] is True
    assert text.count("always_changed") == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("configs/checks", "configs/checks"),
        ("just train last_value", "just train last_value"),
        ("on", '"on"'),
        ("007", '"007"'),
        (".5", '".5"'),
        ("a: b", '"a: b"'),
        ("data/${x}", r'"data/\\${x}"'),
    ],
)
def test_yaml_is_quoted_where_it_would_be_taken_for_else(
    text: str, written: str
) -> None:
    assert to_yaml(text) == written
    assert yaml.safe_load(written).replace(r"\${", "${") == text


@pytest.mark.parametrize("tool", [name for name in FILES if FILES[name].endswith("py")])
def test_python_is_as_ruff_would_have_it_whatever_stands_in_names(
    tool: str, tmp_path: Path
) -> None:
    schedule, name = "orchestrate.schedule=0 6 * * \"'", "orchestrate.name=a_b"
    long = f"source.path={'x' * 70}"
    for overrides in ((), (HOSTILE,), (HOSTILE, long, schedule, name)):
        target = tmp_path / "a \"b'" / f"{len(overrides)}.py"
        tasks = tasks_of(LEAN, overrides=["source=csv", *overrides])
        text = render(tool, tasks, tmp_path, target, "just")
        write(text, target)
        compile(text, target, "exec")
        assert all(to_python(word) in text for word in tasks.given)
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--isolated", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
