"""A transformation is a user's file, which may hold anything."""

import pickle
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline import transforms
from pipeline.errors import ConfigError, SchemaError
from pipeline.panel.periods import Every, label
from pipeline.plan.settings import load_settings
from pipeline.run.run import check
from pipeline.transforms import load_transform
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("odd_syntax", b"def (", "found: SyntaxError: invalid syntax"),
        ("odd_bytes", b"x = '\xff'", "found: SyntaxError: "),
        ("odd_import", b"import no_such_library", "found: ModuleNotFoundError: "),
        ("odd_exit", b"raise SystemExit(3)", "found: SystemExit: 3"),
        ("odd_part", b"Config = 1", "defines no odd_part"),
    ],
)
def test_a_file_that_is_no_transformation_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    said: str,
) -> None:
    (tmp_path / f"{name}.py").write_bytes(content)
    monkeypatch.setattr(transforms, "__path__", [str(tmp_path)])
    monkeypatch.setattr(transforms, "transform_names", lambda _: [name])
    with pytest.raises(ConfigError) as caught:
        transforms.load_transform(name)
    assert f"pipeline/transforms/{name}.py: " in str(caught.value)
    assert said in str(caught.value)


def test_a_transformation_is_pickled_as_its_name() -> None:
    loaded = transforms.load_transform("product")
    pickled = pickle.dumps(loaded)
    assert len(pickled) < 100
    assert pickle.loads(pickled) is loaded


OWN = """import polars as pl

from pipeline.config import BaseConfig
from transforms._{value} import VALUE


class Config(BaseConfig, frozen=True, kw_only=True):
    column: str


def add_value(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    return lf.with_columns(pl.lit(VALUE).alias(config.column))
"""


def project_of(folder: Path, value: int) -> Path:
    """A folder with a transformation of its own, and a helper of that."""
    (folder / "transforms").mkdir(parents=True)
    (folder / "transforms" / "add_value.py").write_text(OWN.format(value=value))
    (folder / "transforms" / f"_{value}.py").write_text(f"VALUE = {value}\n")
    return folder


def test_each_project_has_its_own_transformations(tmp_path: Path) -> None:
    projects = [project_of(tmp_path / str(value), value) for value in (1, 2)]
    for value, project in enumerate([*projects, *projects], start=0):
        assert "add_value" in transforms.transform_names(project)
        loaded = load_transform("add_value", project)
        assert loaded.file == "transforms/add_value.py"
        made = loaded.apply(pl.LazyFrame({"a": [0]}), loaded.config(column="b"))  # pyright: ignore[reportCallIssue]
        assert made.collect()["b"].to_list() == [value % 2 + 1]
        # Another process imports them by its name and where the project is.
        assert pickle.loads(pickle.dumps(loaded)) is loaded
    assert "add_value" not in transforms.transform_names()
    with pytest.raises(ConfigError, match="no transformation 'add_value'"):
        load_transform("add_value")


def test_a_fault_in_an_own_transformation_names_the_file_of_the_project(
    tmp_path: Path,
) -> None:
    project = project_of(tmp_path, 3)
    (project / "transforms" / "_3.py").write_text("1 / 0")
    with pytest.raises(ConfigError) as caught:
        load_transform("add_value", project)
    assert str(caught.value) == (
        "transforms/add_value.py: cannot be imported\n"
        "found: ZeroDivisionError: division by zero"
    )


def test_an_own_transformation_cannot_take_the_name_of_one_of_the_package(
    project: Path,
) -> None:
    (project / "transforms").mkdir()
    (project / "transforms" / "lag_columns.py").touch()
    with pytest.raises(ConfigError) as caught:
        load_settings(project)
    fault, hint = str(caught.value).splitlines()
    assert fault.startswith("transforms/lag_columns.py: the name of a transformation ")
    assert "'own_lag_columns'" in hint


def test_no_stage_of_the_configuration_collects() -> None:
    # Its own test may pass all the same; the error of one that collects names it.
    assert check(load_settings(ROOT)).snapshots


PANEL = {"keys": ["unit"], "columns": ["n"], "by": "calendar", "suffix": "_{}"}
COUNTING: dict[str, dict[str, Any]] = {
    "lag_columns": {**PANEL, "periods": [1, 3]},
    "rolling_columns": {
        **PANEL,
        "window": 2,
        "min_samples": 1,
        "drop_nulls": False,
        "functions": ["mean"],
    },
    "drop_rare": {
        "category": "kind",
        "weight": "n",
        "min_total": 9,
        "reference_periods": 2,
    },
    "share_of_categories": {
        "entity": "unit",
        "category": "kind",
        "entity_count": "n_kinds",
        "time_count": "n_all",
        "ratio": "share",
        "lag": 1,
        "suffix": "_{}",
    },
    "size_bin": {
        "entity": "unit",
        "weight": "n",
        "n_bins": 2,
        "column": "size",
        "lag": 2,
        "suffix": "_{}",
    },
}
"""Transformations that count periods, with settings."""


@pytest.mark.parametrize("name", COUNTING)
@pytest.mark.parametrize("every", ["1q", "2mo", "1w", "1d", "36h"])
def test_periods_of_dates_are_those_of_their_numbers(name: str, every: str) -> None:
    loaded = load_transform(name)
    rows = [(u, t, (u + t) % 3, t * u) for u in range(3) for t in range(50, 60, u + 1)]
    numbered = pl.LazyFrame(
        rows,
        {"unit": pl.Int32, "t": pl.Int64, "kind": pl.Int64, "n": pl.Int64},
        orient="row",
    )
    dtype = pl.Datetime("us", "UTC")
    dated = numbered.with_columns(label(pl.col("t"), every, dtype))

    def result(lf: pl.LazyFrame, every: Every) -> pl.DataFrame:
        values = {"time": "t", "every": every, **COUNTING[name]}
        return loaded.apply(lf, msgspec.convert(values, loaded.config)).collect()

    expected = result(numbered, 1).with_columns(label(pl.col("t"), every, dtype))
    assert_frame_equal(result(dated, every), expected, check_row_order=False)
    with pytest.raises(SchemaError, match=f"`every: {every}` counts "):
        result(numbered, every)
