"""Where one part ends and the next begins."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.engine.parts.sizes import (
    GIB,
    MIB,
    bounds_of,
    cgroup_limits,
    choose_n_parts,
    fits,
    refuse_too_large,
    row_bytes,
    shown_size,
    values_of,
    worth_it,
)
from pipeline.errors import ConfigError
from pipeline.files.folder import Folder
from pipeline.plan.compose import compose
from pipeline.plan.settings import SOURCE, EngineSettings, load_settings
from pipeline.sources import declared
from pipeline.sources.columns import dtype_of
from pipeline.sources.parquet import ParquetSource, scan_parquet
from tests.conftest import PROJECT


@pytest.mark.parametrize(
    ("counts", "n_parts", "bounds"),
    [
        ({"a": 2, "b": 2, "c": 2, "d": 2}, 2, ("c",)),
        ({"a": 2, "b": 2, "c": 2, "d": 2}, 9, ("b", "c", "d")),
        ({"a": 1, "b": 1, "c": 1, "d": 5}, 2, ("d",)),
        ({"a": 5, "b": 1, "c": 1, "d": 1}, 2, ("b",)),
        ({"a": 1, "b": 9}, 2, ("b",)),
        ({"a": 1, "b": 9, "c": 1}, 3, ("b", "c")),
        ({"a": 20, "b": 1}, 5, ("b",)),
        ({None: 5, "a": 1, "b": 1}, 2, ("a",)),
        ({None: 1, "a": 1, "b": 1, "c": 1}, 2, ("b",)),
        ({None: 4}, 2, ()),
        ({"a": 4}, 2, ()),
        ({}, 2, ()),
    ],
    ids=str,
)
def test_parts_hold_about_as_many_rows_each(
    tmp_path: Path,
    counts: dict[str | None, int],
    n_parts: int,
    bounds: tuple[str, ...],
) -> None:
    rows = [value for value, n in counts.items() for _ in range(n)]
    frames = [
        pl.LazyFrame({"store": some}, schema={"store": pl.String})
        for some in (rows[::2], rows[1::2])
    ]
    values = values_of(frames, "store", Folder(str(tmp_path)))
    assert {value: n_rows for value, n_rows, _ in values.rows()} == counts
    assert bounds_of(values, n_parts) == bounds
    # Once they are counted, nothing is read again.
    assert values_of([], "store", Folder(str(tmp_path))).equals(values)


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (1, "1 MiB"),
        (MIB, "1 MiB"),
        (700 * MIB, "700 MiB"),
        (700 * MIB + 1, "701 MiB"),
        (GIB, "1 GiB"),
        (GIB * 5 // 4, "1.25 GiB"),
        (6 * GIB + 1, "6.01 GiB"),
    ],
)
def test_sizes_are_shown_rounded_up(n_bytes: int, shown: str) -> None:
    assert shown_size(n_bytes) == shown


def test_value_that_does_not_fit_is_refused_with_a_size_that_suffices(
    tmp_path: Path,
) -> None:
    rows = {"store": ["a", "b"], "n": [1 << 20, 1]}
    frames = [
        pl.LazyFrame({"store": [store]}).select(pl.col("store").repeat_by(n).explode())
        for store, n in zip(rows["store"], rows["n"], strict=True)
    ]
    values = values_of(frames, "store", Folder(str(tmp_path)))
    with pytest.raises(ConfigError) as caught:
        refuse_too_large(values, 100, 767 * MIB)
    assert str(caught.value) == (
        "engine.memory: 767 MiB are too little for one part\n"
        "found: store 'a' has 1,048,576 rows, which must stay together and take about"
        " 400 MiB, beside 512 MiB that any part takes\n"
        "hint: set engine.memory=912MiB or more, on a machine that has it"
    )
    refuse_too_large(values, 100, 912 * MIB)


def test_rows_of_two_branches_are_held_one_after_the_other(tmp_path: Path) -> None:
    branch = pl.LazyFrame({"store": ["a"] * 3 + ["b"]})
    values = values_of([branch, branch], "store", Folder(str(tmp_path)))
    assert values.rows() == [("a", 6, 3), ("b", 2, 1)]


def test_a_run_is_as_wide_as_the_stages_behind_what_it_starts_at() -> None:
    settings = load_settings(PROJECT)
    plan = compose(declared(settings.source, PROJECT), settings.stages)
    assert row_bytes(plan) == 192
    given = "yearly_discharge_bin"
    widest = plan.schema("rolling_columns")
    assert not any(dtype.is_nested() for dtype in widest.values())
    assert row_bytes(plan, [given]) == 8 * len(widest)


def test_rows_decide_on_parts_and_not_the_bytes_they_are_packed_in(
    tmp_path: Path,
) -> None:
    settings = load_settings(PROJECT)
    n_rows = 2_000_000
    cells = {
        name: pl.lit(1, dtype_of(kind))
        for name, kind in settings.source.columns.items()
    }
    rows = pl.select(n=pl.int_range(n_rows)).with_columns(**cells)
    rows.drop("n").write_parquet(tmp_path / "a.parquet")
    source = ParquetSource(path="a.parquet", columns=settings.source.columns)
    scan = scan_parquet(source, tmp_path)
    assert (tmp_path / "a.parquet").stat().st_size < MIB
    plan = compose(declared(settings.source, PROJECT), settings.stages)
    engine = EngineSettings(memory="1GiB")
    assert not fits(engine, plan, [SOURCE], scan.most_rows)
    # 192 bytes a row, four times, in what is left beside half a GiB.
    assert choose_n_parts(engine, plan, [SOURCE], scan.most_rows) == 3


CONTAINER = {
    "a/b/memory.max": "max\n",
    "a/memory.max": "700\n",
    "memory.max": "900\n",
}
VERSION_1 = {
    "memory/a/b/memory.limit_in_bytes": "800\n",
    "memory/a/memory.limit_in_bytes": "9223372036854771712\n",
    "cpu/a/b/memory.limit_in_bytes": "1\n",
}


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        ("0::/a/b\n", CONTAINER, [700, 900]),
        ("0::/elsewhere/outside\n", CONTAINER, [900]),
        ("0::/../outside\n", CONTAINER, [900]),
        ("5:cpu:/a/b\n3:memory,hugetlb:/a/b\n", VERSION_1, [800, (1 << 63) - 4096]),
        ("5:cpu:/\n0::/\n", {}, []),
        ("", {}, []),
    ],
    ids=["nested", "own root", "outside", "version 1", "none", "no groups"],
)
def test_memory_is_limited_by_each_control_group_around(
    groups: str, files: dict[str, str], limits: list[int], tmp_path: Path
) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert list(cgroup_limits(groups, tmp_path)) == limits


@pytest.mark.parametrize(
    ("n_parts", "n_rows", "expected"),
    [(200, 1_000_000, 23), (8, 1_000_000, 8), (200, 100, 16), (3, 100, 3)],
)
def test_rows_are_not_split_into_many_small_parts(
    n_parts: int, n_rows: int, expected: int
) -> None:
    assert worth_it(n_parts, n_rows, 200) == expected
