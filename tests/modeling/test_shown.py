"""The configuration as it is shown: worked out once, and without secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.modeling.shown import configuration
from pipeline.plan.settings import load_settings
from tests.commands.conftest import invoke_lightly


def kinds(root: Path) -> set[str]:
    """What is kept in a project."""
    files = (root / ".pipeline" / "memo").glob("*")
    return {path.name.partition("-")[0] for path in files}


def test_what_did_not_change_is_shown_without_a_library(settled: Path) -> None:
    words = ("lag_columns.periods=3",)
    shown = configuration(settled, overrides=words)
    assert "periods: 3" in shown
    assert kinds(settled) == {"shown", "modeling"}
    assert invoke_lightly(settled, ("config", *words)) == [f"0 {shown} "]


def test_settings_that_are_kept_are_those_that_were_composed(settled: Path) -> None:
    words = ("notify.limit_s=7", "engine.spark={a.b: .inf, c: '1', d: 2.50}")
    first, again = (load_settings(settled, overrides=words) for _ in range(2))
    assert kinds(settled) == {"settings"}
    assert repr(again) == repr(first)
    assert again.tree == first.tree
    assert again.layers == first.layers


@pytest.mark.parametrize("word", ["perods=2", "periods=two"])
def test_mistakes_are_said_each_time(settled: Path, word: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match="1 mistake"):
            configuration(settled, overrides=(f"lag_columns.{word}",))
    assert not kinds(settled)


@pytest.mark.parametrize("profile", [None, "local"])
def test_no_secret_that_is_overridden_is_written(
    settled: Path, later: Callable[[], None], profile: str | None
) -> None:
    configs = settled / "configs"
    (configs / "sources" / "pg.yaml").write_text(
        "kind: sql\nuri: postgresql://bob:hush-1234@db/h\nquery: select 1\n"
    )
    (configs / "profiles").mkdir(exist_ok=True)
    (configs / "profiles" / "local.yaml").write_text("source: {uri: 'sqlite:///y'}\n")
    later()
    words = ("source=pg", *([] if profile else ["source.uri=sqlite:///y"]))
    for load in (configuration, load_settings):
        load(settled, profile=profile, overrides=words)
    assert kinds(settled) == {"shown"}
    for path in (settled / ".pipeline").rglob("*"):
        assert path.is_dir() or b"hush-1234" not in path.read_bytes()


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("notify.failure=tell ${oc.env:SECRET_OF_TEST}", set[str]()),
        ("engine.spark={spark.hadoop.fs.s3a.secret.key: hush-1234}", {"shown"}),
    ],
)
def test_no_secret_is_written(
    settled: Path, monkeypatch: pytest.MonkeyPatch, word: str, left: set[str]
) -> None:
    monkeypatch.setenv("SECRET_OF_TEST", "hush-1234")
    shown = [configuration(settled, overrides=(word,)) for _ in range(2)]
    assert shown[0] == shown[1]
    assert "hush-1234" not in shown[0]
    assert "hush-1234" in str(load_settings(settled, overrides=(word,)).tree)
    assert kinds(settled) == left
    for path in (settled / ".pipeline").rglob("*"):
        assert path.is_dir() or b"hush-1234" not in path.read_bytes()
