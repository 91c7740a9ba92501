"""What a project's own code makes is made once, and kept by what made it."""

import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.files.state import State
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import RunReport
from pipeline.run.start import start
from pipeline.sources import fetch, kinds_of, read, reads
from pipeline.sources.made import load_maker

CODE = """from collections.abc import Iterator

import polars as pl

from pipeline.sources.made import MadeSource
from sources._sides import SIDES


class Config(MadeSource, frozen=True, kw_only=True):
    n: int


def dice(config: Config) -> Iterator[pl.DataFrame]:
    for i in range(config.n):
        yield pl.DataFrame({"throw": [i], "eyes": [i % SIDES + 1]})
"""
YAML = """kind: dice
columns: ${columns}
rename: {}
n: 8
format: csv
max_bad_rows: 0
"""
PIPELINE = """
source: {use: dice}
columns: {throw: code, eyes: count}
stages: {sanitize_column_names: {snapshot: throws, key: [throw]}}
"""


@pytest.fixture
def code(tmp_path: Path) -> Generator[Path]:
    """The code of a project's own source."""
    for folder in ("configs", "sources"):
        (tmp_path / folder).mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "sources" / "_sides.py").write_text("SIDES = 6")
    (tmp_path / "sources" / "dice.yaml").write_text(YAML)
    code = tmp_path / "sources" / "dice.py"
    code.write_text(CODE)
    yield code
    forget()


@pytest.fixture
def load(code: Path) -> Callable[..., Settings]:
    """Load the project's settings."""
    root = code.parents[1]
    return lambda *words: load_settings(root, overrides=words)


def forget() -> None:
    """Let code be imported anew, as by another command."""
    load_maker.cache_clear()
    for name in [name for name in sys.modules if name.startswith("sources")]:
        del sys.modules[name]


def files(settings: Settings) -> list[str]:
    return sorted(path.name for path in State(settings.root).data.iterdir())


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_rows_are_made_once_and_read_as_others(
    format_: str, load: Callable[..., Settings]
) -> None:
    settings = load("source.n=9", f"source.format={format_}")
    source, root = settings.source, settings.root
    rows, bad = read(source, root)
    assert rows.rows() == [(i, i % 6 + 1) for i in range(9)]
    assert bad.is_empty()
    [name] = files(settings)
    assert reads(source, root).path == f".pipeline/data/{name}"
    before = (State(root).data / name).stat()
    fetch(
        load("source.n=9", f"source.format={format_}", "source.max_bad_rows=1").source,
        root,
    )
    assert (State(root).data / name).stat() == before
    read(load("source.n=3", f"source.format={format_}").source, root)
    assert len(files(settings)) == 2


def test_other_code_makes_other_rows_which_take_the_place_of_the_older(
    code: Path, load: Callable[..., Settings], later: Callable[[], None]
) -> None:
    later()
    root = code.parents[1]
    first = start(root, None, ())
    assert isinstance(first, RunReport)
    later()
    assert start(root, None, ()) == first.run.run_id
    [before] = files(load())
    (code.parent / "_sides.py").write_text("SIDES = 4")
    forget()
    second = start(root, None, ())
    assert isinstance(second, RunReport)
    assert {s.state for s in second.run.snapshots} == {"computed"}
    assert files(load()) != [before]
    assert len(files(load())) == 1
    assert read(load().source, root)[0]["eyes"].max() == 4
    # Code that makes the same rows stales nothing.
    code.write_text(CODE + "# the same\n")
    forget()
    third = start(root, None, ())
    assert isinstance(third, RunReport)
    states = {s.name: s.state for s in third.run.snapshots}
    assert states["throws"] == "fresh"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("i % SIDES + 1", "i // 0"), r"sources/dice\.py: ZeroDivisionError: .*\n"
         r"found in dice\.py, line 15: yield "),
        (("range(config.n)", "range(0)"), r"sources/dice\.py: makes no rows"),
        (("[i % SIDES + 1]", "[[i]]"), "csv: cannot be made\nfound: CSV format does"),
        (('"throw": [i]', 'f"{i}": [i]'), "frames of other columns: first Schema"),
        (("yield pl", "yield from pl"), "TypeError: expected frames, found a Series"),
    ],
)  # fmt: skip
def test_code_that_fails_is_named_and_leaves_nothing(
    change: tuple[str, str], said: str, code: Path, load: Callable[..., Settings]
) -> None:
    code.write_text(CODE.replace(*change))
    settings = load()
    with pytest.raises(SourceError, match=said):
        fetch(settings.source, settings.root)
    assert files(settings) == []


def test_interrupted_it_leaves_nothing(
    code: Path, load: Callable[..., Settings]
) -> None:
    code.write_text(CODE.replace("i % SIDES + 1", "i or exit()"))
    settings = load()
    with pytest.raises(SystemExit):
        fetch(settings.source, settings.root)
    assert files(settings) == []


def test_what_cannot_be_written_is_named(load: Callable[..., Settings]) -> None:
    settings = load()
    (settings.root / ".pipeline").write_text("a file")
    with pytest.raises(SourceError, match=r"made-dice-.*\.csv: cannot be made\n"):
        fetch(settings.source, settings.root)


def test_its_settings_are_checked_as_others(
    code: Path, load: Callable[..., Settings]
) -> None:
    with pytest.raises(ConfigError) as error:
        load("source.n=many", "source.m=2")
    assert "source.n: expected int, found 'many'" in str(error.value)
    assert "source.m: unknown" in str(error.value)
    (code.parent / "dice.yaml").unlink()
    with pytest.raises(ConfigError, match=r"sources/dice\.yaml: no such file"):
        load()


def test_a_name_of_the_packages_is_refused(code: Path) -> None:
    (code.parent / "csv.py").touch()
    with pytest.raises(ConfigError, match=r"^sources/csv\.py: the name of a kind"):
        kinds_of(code.parents[1])


def test_settings_that_are_no_sources_are_refused(
    code: Path, load: Callable[..., Settings]
) -> None:
    code.write_text(
        CODE.replace("Config(MadeSource,", "Config(BaseConfig,").replace(
            "\n\nfrom pipeline",
            "\n\nfrom pipeline.config import BaseConfig\nfrom pipeline",
            1,
        )
    )
    with pytest.raises(ConfigError, match=r"^sources/dice\.py: its Config is no Made"):
        load()


def test_code_that_cannot_be_imported_is_named(
    code: Path, load: Callable[..., Settings]
) -> None:
    code.write_text("import nothing_of_the_name")
    with pytest.raises(ConfigError, match=r"^sources/dice\.py: cannot be imported\n"):
        load()


def test_only_a_kind_that_is_asked_for_is_imported(
    code: Path, load: Callable[..., Settings]
) -> None:
    (code.parent / "odd.py").write_text("raise ValueError")
    assert isinstance(next(frames(load())), pl.DataFrame)


def frames(settings: Settings) -> Iterator[pl.DataFrame]:
    """Read what is made."""
    yield read(settings.source, settings.root)[0]
