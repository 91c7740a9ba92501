"""What shells complete; of the shells themselves, those that are there."""

import os
import pty
import re
import select
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.commands.cli import main
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from tests.conftest import LEAN, ROOT, TWO_ROWS, make_project

Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of five stages, with a run, a profile, a model and a variant."""
    root = make_project(tmp_path_factory.mktemp("published"), 0, LEAN)
    (root / "data" / "raw.csv").write_text(TWO_ROWS)
    for path in ("configs/profiles/ci.yaml", "configs/models/ridge.yaml"):
        (root / path).parent.mkdir()
        (root / path).touch()
    run(load_settings(root, overrides=("source=csv", "source.path=data/raw.csv")))
    (root / ".pipeline" / "variants").mkdir()
    (root / ".pipeline" / "variants" / "wider.json").touch()
    return root


@pytest.fixture
def ask(published: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask what the last of some words may become."""
    monkeypatch.chdir(published)

    def asked(*words: str) -> list[str]:
        done = CliRunner().invoke(main, ["complete", "--", *words])
        assert (done.exit_code, done.stderr) == (0, "")
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]

    return asked


def test_names_are_those_of_the_project(ask: Ask, published: Path) -> None:
    [run_id] = (path.stem for path in (published / ".pipeline" / "runs").iterdir())
    assert ask("rest") == ["restore"]
    assert ask("run", "--onl") == ["--only"]
    assert ask("run", "--profile", "") == ["ci"]
    assert ask("restore", "") == ["latest", "previous", run_id]
    assert ask("review", "--against", "l") == ["latest", "lock"]
    assert ask("diff", "features", "r2") == [run_id]
    assert ask("sql", "--variant", "") == ask("adopt", "w") == ["wider"]
    assert "ridge" in ask("train", "")
    assert ask("completion", "") == ["bash", "zsh", "fish"]


def test_stages_snapshots_and_columns_are_those_of_the_newest_run(
    ask: Ask, published: Path
) -> None:
    found = published / "configs" / "pipeline.yaml"
    stages = re.findall(r"^  (\w+):", found.read_text(), re.MULTILINE)
    assert {*ask("run", "--to", "")} <= {*stages}
    assert "quarantine" in ask("history", "")
    assert "source" in ask("show", "s")
    assert ask("lineage", "source.Mean") == ["source.Mean Charge", "source.Mean Cost"]
    assert ask("lineage", "'source.Mean Ch") == ["source.Mean Charge"]
    keys = ask("why", "discharges", "")
    assert {"year=", "facility_id=", "mean_cost"} <= {*keys}
    # Bash takes the `=` for a word of its own.
    for given in (["year=2009"], ["year", "=", "2009"]):
        assert ask("why", "discharges", *given, "ye") == ["year"]
    assert ask("show", "discharges", "--columns", "year,fac") == [
        "year,facility_id",
        "year,facility_name",
    ]


def test_statement_has_snapshots_and_the_columns_of_those_it_names(ask: Ask) -> None:
    assert ask("sql", '"from feat') == ["from features"]
    assert ask("bisect", "'from discharges select ye") == [
        "from discharges select year"
    ]
    assert ask("sql", "from drgs select mean_co") == []


def test_settings_are_completed_a_level_at_a_time(ask: Ask) -> None:
    assert ask("run", "hist") == ["history."]
    assert "history.runs=" in ask("run", "history.")
    assert ask("run", "history.runs=1", "history.ru") == ["history.runs="]
    assert ask("lineage", "features.year", "history.ru") == ["history.runs="]
    assert ask("data", "pa") == ["path="]
    assert ask("profile", "lag") == ["lag_columns", "lag_columns."]


def test_query_has_its_parameters(ask: Ask) -> None:
    assert ask("query", "") == ["costliest_drgs"]
    assert ask("query", "costliest_drgs", "") == ["year=", "n_rows="]
    assert ask("query", "costliest_drgs", "year=2009", "") == ["n_rows="]


@pytest.mark.parametrize("damage", ["no run", "damaged", "no project"])
def test_nothing_is_completed_where_nothing_is_known(
    damage: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path if damage == "no project" else make_project(tmp_path, 1, LEAN)
    monkeypatch.chdir(root)
    if damage == "damaged":
        (root / ".pipeline" / "runs").mkdir(parents=True)
        (root / ".pipeline" / "runs" / "r1.json").write_text("{")
    for words in (["history"], ["run"], ["why", "features"], ["query", "none"]):
        assert ask(*words, "") == []
    assert ask("show", "features", "--columns", "") == []
    assert ask("histo") == ["history"]


TYPED = {
    "pipeline query costl": "pipeline query costliest_drgs ",
    "just query costl": "just query costliest_drgs ",
    "just histo": "just history",
    "pipeline run history.ru": "pipeline run history.runs=",
    "pipeline lineage source.Mean\\ Ch": "pipeline lineage source.Mean\\ Charge ",
    "pipeline lineage 'source.Mean Ch": "pipeline lineage 'source.Mean Charge' ",
    "pipeline sql 'from feat": "pipeline sql 'from features' ",
    "pipeline score dat": "pipeline score data/",
}
"""What comes of it, with a Tab."""

SHELLS = {
    "bash": (["--norc", "-i"], "source <(pipeline completion bash)"),
    "zsh": (
        ["-f", "-i"],
        "autoload -U compinit; compinit -u -D; source <(pipeline completion zsh)",
    ),
    "fish": (["--no-config", "-i"], "pipeline completion fish | source"),
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_shell_completes_words(shell: str, published: Path, tmp_path: Path) -> None:
    if not shutil.which(shell) or not shutil.which("just"):
        pytest.skip(f"{shell} or just is not installed")
    (published / "justfile").write_text("history:\n\nquery *args:\n")
    (published / ".venv").unlink(missing_ok=True)
    (published / ".venv").symlink_to(Path(sys.executable).parents[1])
    options, load = SHELLS[shell]
    pid, file = pty.fork()
    if pid == 0:
        os.chdir(published)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"}
        os.execvpe(shell, [shell, *options], env | {"PYTHONPATH": str(ROOT)})
    typed(file, f"{load}; echo loa''ded\n", "loaded")
    for begun, whole in TYPED.items():
        typed(file, f"{begun}\t", whole)
        typed(file, "\x15echo cle''ared\n", "cleared")
    os.write(file, b"exit\n")
    os.close(file)
    os.waitpid(pid, 0)


def typed(file: int, text: str, expected: str) -> None:
    """Type something, and wait for what is to be seen then."""
    os.write(file, text.encode())
    seen, end = "", time.monotonic() + 60
    while expected not in seen.replace("\a", ""):
        assert time.monotonic() < end, (text, seen)
        if select.select([file], [], [], 0.1)[0]:
            seen += os.read(file, 65536).decode(errors="replace")
