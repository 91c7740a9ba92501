"""Rows that are made up lie in a file that is named for what they were made with."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.files.state import State
from pipeline.sources.synthetic import source
from pipeline.sources.synthetic.source import SyntheticSource, synthetic_path

COLUMNS = {"Year": "code"}


def make(**given: Any) -> SyntheticSource:
    raw = {"kind": "synthetic", "columns": COLUMNS, **given}
    return msgspec.convert(raw, SyntheticSource)


def test_other_settings_have_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [{}, {"seed": 7}, {"scale": 2}, {"format": "parquet"}]
    paths = {synthetic_path(make(**given), tmp_path) for given in settings}
    monkeypatch.setattr(source, "VERSION", source.VERSION + 1)
    paths.add(synthetic_path(make(), tmp_path))
    assert len(paths) == len(settings) + 1
    assert {path.parent for path in paths} == {State(tmp_path).data}


def test_how_rows_are_read_says_nothing_of_the_file(tmp_path: Path) -> None:
    read_otherwise = make(rename={"Year": "year"}, max_bad_rows=3)
    assert synthetic_path(read_otherwise, tmp_path) == synthetic_path(make(), tmp_path)
    assert synthetic_path(make(seed=2009), tmp_path).name == (
        f"synthetic-v{source.VERSION}-seed2009-x1.csv"
    )


@pytest.mark.parametrize("given", [{"seed": -1}, {"scale": 0}, {"format": "json"}])
def test_what_cannot_be_made_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        make(**given)
