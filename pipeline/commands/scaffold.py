"""Write the three files of a new transformation, and its line in the pipeline."""

import keyword
import re
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.plan.settings import RESERVED
from pipeline.transforms import OWN, transform_names

_MODULE = '''"""Describe in one line what `{name}` is for."""

import polars as pl

from pipeline.config import BaseConfig


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `{name}`."""

    column: str


def {name}(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Say what it does.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `column`.
    config : Config
        The column.

    Returns
    -------
    pl.LazyFrame
        The same rows and columns.
    """
    return lf.with_columns(pl.col(config.column))


# How its rows may be split, and which columns it makes of the past: `split` and `past`,
# as of pipeline.panel.split and pipeline.plan.known.
'''

_TAKEN = ("pl", "lf", "config", "split")
"""Names the module uses otherwise."""

_CONFIG = """column: {column} # the column to work on
"""

_TEST = """import polars as pl
from polars.testing import assert_frame_equal

from transforms.{name} import Config, {name}


def test_{name}_keeps_the_rows() -> None:
    lf = pl.LazyFrame({{"x": [1, 2, 3]}})
    result = {name}(lf, Config(column="x"))
    assert_frame_equal(result, lf)
"""


def write_transform(root: Path, name: str) -> list[Path]:
    """Write a transformation, and a stage of its name, that changes nothing yet.

    Gives the module, its configuration, its test, and ``configs/pipeline.yaml``, where
    the stage now stands before the last, so that that has what it adds.

    Raises
    ------
    ConfigError
        If the name is no name, or is taken, or there is such a file; nothing is written
        then.
    """
    is_name = re.fullmatch(r"[a-z][a-z0-9_]*", name)
    if not is_name or keyword.iskeyword(name) or name in _TAKEN:
        raise ConfigError(
            f"'{name}' cannot name a transformation\n"
            "expected lower case letters, digits and underscores, such as 'add_trend',"
            f" none of Python's own words and not {', '.join(_TAKEN)}"
        )
    pipeline = root / "configs" / "pipeline.yaml"
    stages = pipeline.read_text()
    is_section = re.search(rf"^ *{name}:", stages, re.MULTILINE)
    if name in transform_names(root) or name in RESERVED or is_section:
        raise ConfigError(f"'{name}' is taken\nhint: choose another name")
    files = {
        root / OWN / f"{name}.py": _MODULE,
        root / OWN / f"{name}.yaml": _CONFIG,
        root / "tests" / OWN / f"test_{name}.py": _TEST,
    }
    for path in files:
        if path.exists():
            raise ConfigError(f"{path}: is there already\nhint: choose another name")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name, column="${panel.target}"))
    pipeline.write_text(_with_stage(stages, name))
    return [*files, pipeline]


def _with_stage(text: str, name: str) -> str:
    """Put a stage before the last one, which publishes; comments stay."""
    section = re.search(r"^stages:\n(?:(?:[ #].*)?\n)+", text, re.MULTILINE)
    stages = section and list(re.finditer(r"^  \w+:", section.group(), re.MULTILINE))
    if not section or not stages:
        raise ConfigError(
            "configs/pipeline.yaml: expected stages, each on its own line"
        )
    at = section.start() + stages[-1].start()
    return f"{text[:at]}  {name}: {{}}\n{text[at:]}"
