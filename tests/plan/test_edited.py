"""A process that goes on sees what a project's own code is now."""

from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest

from pipeline.plan import edited
from pipeline.plan.code import PACKAGE
from pipeline.plan.edited import forget_edited
from pipeline.transforms import load_transform

CODE = """
    import polars as pl
    from pipeline.config import BaseConfig

    class Config(BaseConfig, frozen=True, kw_only=True):
        pass

    def scaled_now(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
        return lf.with_columns(x=pl.lit({}))
"""


def test_an_edited_transformation_is_imported_again(tmp_path: Path) -> None:
    file = tmp_path / "transforms" / "scaled_now.py"
    file.parent.mkdir()
    file.write_text(dedent(CODE.format(1)))
    forget_edited(tmp_path)
    first = load_transform("scaled_now", tmp_path)
    forget_edited(tmp_path)
    assert load_transform("scaled_now", tmp_path) is first
    file.write_text(dedent(CODE.format("10")))
    forget_edited(tmp_path)
    again = load_transform("scaled_now", tmp_path)
    assert "10" in again.apply(pl.LazyFrame({"a": [1]}), None).explain()


def test_it_is_said_once_that_the_package_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(edited._seen, PACKAGE, {})
    forget_edited(tmp_path)
    forget_edited(tmp_path)
    assert [r.getMessage()[:23] for r in caplog.records] == [
        "the code of pipeline was"[:23]
    ]
