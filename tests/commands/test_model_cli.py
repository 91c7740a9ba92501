"""What the commands of modelling take for a model or a value, and what they say."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import click
import pytest

from pipeline.commands import model_cli
from tests.commands.test_cli import SOURCE, invoke

if TYPE_CHECKING:
    from pipeline.modeling.promote import Promotion


@pytest.mark.parametrize(
    "name", ["train", "evaluate", "compare", "promote", "tune", "pipeline"]
)
def test_an_unknown_model_is_told_the_nearest(project: Path, name: str) -> None:
    result = invoke(project, name, "rigde", *SOURCE)
    assert result.exit_code == 2
    assert "did you mean 'ridge'?" in result.stderr


def test_two_models_are_one_too_many(project: Path) -> None:
    result = invoke(project, "train", "ridge", "lightgbm", *SOURCE)
    assert result.exit_code == 2
    assert "expected one model, found ridge, lightgbm" in result.stderr


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("one.csv", "--snapshot", ""), "--snapshot: expected a name, found ''"),
        (("onn.csv",), "no such file or folder; did you mean 'one.csv'?"),
        (("one.csv", "-o", "."), ".: is a folder, expected a file to write"),
    ],
    ids=str,
)
def test_score_of_what_is_not_there_is_wrong_usage(
    words: tuple[str, ...], fault: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "one.csv").touch()
    result = invoke(project, "score", *words, *SOURCE)
    assert result.exit_code == 2
    assert fault in result.stderr


def test_impact_is_of_a_column_or_of_all(project: Path) -> None:
    result = invoke(project, "impact", "--unused", "discharges", *SOURCE)
    assert result.exit_code == 2
    assert "expected a column or --unused, found 'discharges' and" in result.stderr


def test_impact_needs_no_models(project: Path) -> None:
    (project / "configs" / "modeling.yaml").unlink()
    result = invoke(project, "impact", "source.Year", *SOURCE)
    assert result.exit_code == 0, result.stderr
    assert "features: " in result.stdout
    assert "models:" not in result.stdout


def test_trials_are_those_of_the_study_and_the_model_is_the_default_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with click.Context(model_cli.tune):
        settings, model = model_cli._load(None, (*SOURCE, "trials=7"))
        _, named = model_cli._load(None, ("ridge", *SOURCE))
    assert settings.modeling.study.trials == 7
    assert model == settings.modeling.model
    assert named == "ridge"


TITLE = "m: version 2 (naive, a baseline)"


@pytest.mark.parametrize(
    ("is_champion", "before", "said"),
    [
        (True, None, f"{TITLE} is champion\n"),
        (
            True,
            1,
            f"{TITLE} is champion, in place of version 1\n",
        ),
        (True, 2, f"{TITLE} is champion already\n"),
        (
            False,
            1,
            f"{TITLE} is challenger, not champion (version 1 stays):\n",
        ),
        (
            False,
            None,
            f"{TITLE} is challenger, not champion (there is none):\n",
        ),
    ],
)
def test_who_is_champion_is_said_and_why(
    capsys: pytest.CaptureFixture[str],
    is_champion: bool,
    before: int | None,
    said: str,
) -> None:
    promotion = SimpleNamespace(
        version=SimpleNamespace(name="m", number=2),
        model="naive, a baseline",
        before=None if before is None else SimpleNamespace(number=before),
        is_champion=is_champion,
        reasons=[] if is_champion else ["it is worse"],
        notes=[],
    )
    model_cli._print_promotion(cast("Promotion", promotion))
    assert capsys.readouterr().out == said + "  - it is worse\n" * (not is_champion)
