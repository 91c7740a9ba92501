"""A word that names no setting is refused early as it is late, and no other word is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.plan import settings as settings_of
from pipeline.plan.misspelt import refuse_misspelt
from pipeline.plan.settings import load_settings


@pytest.fixture
def kept(project: Path, later: Callable[[], None]) -> Path:
    """A project of which it is kept what there is to be set."""
    (project / ".pipeline").mkdir()
    later()
    load_settings(project)
    return project


@pytest.mark.parametrize(
    "word",
    [
        "lag_columns.perods=2",
        "lag_columns.perods.deep=2",
        "lag_columns.something_else=",
        "lag_colums.periods=2",
        "engine.partition=two",
        "source.seperator=x",
        "serving.x=1.5",
    ],
)
def test_a_name_that_is_not_there_is_refused_as_by_the_settings(
    kept: Path, word: str
) -> None:
    with pytest.raises(ConfigError) as late:
        load_settings(kept, overrides=(word,))
    with pytest.raises(ConfigError) as early:
        refuse_misspelt(kept, None, (word,))
    assert str(early.value) == str(late.value)


@pytest.mark.parametrize(
    "words",
    [
        ("lag_columns.periods=two",),
        ("lag_columns.perods=2", "engine.partitions=0"),
        ("lag_columns.perods=[",),
        ("lag_columns.perods=???",),
        ("lag_columns.perods",),
        ("source.use=csv",),
        ("source.kind=parquet",),
        ("panel.anything=1",),
        ("stages.more.transform=filter",),
        ("columns.Day=date",),
        ("modeling.seeed=1",),
        (),
    ],
)
def test_other_words_are_left_to_the_settings(
    kept: Path, words: tuple[str, ...]
) -> None:
    refuse_misspelt(kept, None, words)


def test_nothing_is_refused_where_it_is_not_known(kept: Path) -> None:
    word = "lag_columns.perods=2"
    refuse_misspelt(kept, "other", (word,))
    path = kept / "configs" / "pipeline.yaml"
    path.write_text(path.read_text() + "\n")
    refuse_misspelt(kept, None, (word,))


def test_what_is_known_is_that_of_all_sections(kept: Path) -> None:
    fixed = {*settings_of.RESERVED} - {"version", "sources", "columns", "panel"}
    fixed -= {"stages", "checks", "modeling", "models"}
    for section in fixed:
        with pytest.raises(ConfigError, match=f"{section}.absent: unknown field"):
            refuse_misspelt(kept, None, (f"{section}.absent=1",))
