"""A diff agrees with one made of Python's dicts, on any two tables."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.snapshots.diff.diff import Diff, diff

Row = tuple[Any, ...]

SCHEMA = {
    "k": pl.Int64,
    "f": pl.Float64,
    "s": pl.String,
    "x": pl.Float64,
    "n": pl.Int64,
    "t": pl.String,
    "l": pl.List(pl.Float64),
}
NAMES = list(SCHEMA)
FLOATS = [
    None,
    math.nan,
    math.inf,
    -math.inf,
    0.0,
    -0.0,
    1.0,
    1.05,
    -1.0,
    1e308,
    -1e308,
]
FLOAT, TEXT = st.sampled_from(FLOATS), st.sampled_from([None, "", "a", "ä", "z|"])
WHOLE = st.sampled_from([None, 0, 1, 20, 21, -1, 2**62, -(2**63), 2**63 - 1])
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, 1, 2]),
        st.sampled_from([None, 0.0, -0.0, math.nan]),
        st.sampled_from([None, "a", "ä"]),
        FLOAT,
        WHOLE,
        TEXT,
        st.none() | st.lists(FLOAT, max_size=2),
    ),
    max_size=12,
)
KEYS = st.sampled_from([("k", "f", "s"), ("k",), ("s", "k"), ("f",), ("n", "s", "f")])


@given(
    before=ROWS,
    after=ROWS,
    shared=ROWS,
    key=KEYS,
    tolerance=st.sampled_from([0.0, 0.1]),
    is_unique=st.booleans(),
    is_sorted=st.booleans(),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_diff_agrees_with_dicts(
    tmp_path: Path,
    before: list[Row],
    after: list[Row],
    shared: list[Row],
    key: Sequence[str],
    tolerance: float,
    is_unique: bool,
    is_sorted: bool,
) -> None:
    sides = [before + shared, after + shared]
    if is_unique:
        sides = [list({by(row, key): row for row in side}.values()) for side in sides]
    paths = tmp_path / "before.parquet", tmp_path / "after.parquet"
    for path, side in zip(paths, sides, strict=True):
        df = pl.DataFrame(side, schema=SCHEMA, orient="row")
        df = df.sort(key) if is_sorted else df
        df.write_parquet(path, row_group_size=4)
    found = diff(*paths, key, tolerance=tolerance, n_samples=100)
    wanted = expected(sides[0], sides[1], key, tolerance)
    agrees(found, wanted, key)
    mirrored = diff(paths[1], paths[0], key, tolerance=tolerance, n_samples=100)
    mirrors(found, mirrored)
    assert diff(paths[0], paths[0], key, tolerance=tolerance).is_equal


def agrees(found: Diff, wanted: dict[str, Any], key: Sequence[str]) -> None:
    """Check every number and sample of a diff."""
    assert {n: getattr(found.rows, n) for n in wanted["rows"]} == wanted["rows"]
    assert {
        n: Counter(map(row_of, getattr(found, n))) for n in ("added", "removed")
    } == {n: Counter(set(wanted[n])) for n in ("added", "removed")}
    assert found.is_equal == (
        not wanted["added"]
        and not wanted["removed"]
        and not any(wanted["cells"].values())
    )
    assert [c.name for c in found.columns] == [n for n in NAMES if n not in key]
    for column in found.columns:
        cells = wanted["cells"][column.name]
        assert column.n_changed == len(cells)
        samples = [(tuple(map(canonical, c.key.values())), c) for c in column.samples]
        assert {k: (canonical(c.before), canonical(c.after)) for k, c in samples} == {
            k: (canonical(b), canonical(a)) for k, (b, a) in cells.items()
        }
        pairs = [pair for pair in cells.values() if is_counted(column.name, *pair)]
        distances = [float(abs(b - a)) for b, a in pairs]
        ratios = [abs(b - a) / max(abs(b), abs(a)) for b, a in pairs]
        assert column.max_abs_diff == max(distances, default=None)
        assert column.max_rel_diff == pytest.approx(max(ratios, default=None))
        mean = sum(distances) / len(distances) if distances else None
        finite = mean if mean is not None and math.isfinite(mean) else None
        assert column.mean_abs_diff == pytest.approx(finite)


def mirrors(found: Diff, mirrored: Diff) -> None:
    """Check that two diffs tell the same from either side."""
    rows, other = found.rows, mirrored.rows
    assert (rows.before, rows.added, rows.repeated_before) == (
        other.after,
        other.removed,
        other.repeated_after,
    )
    assert (rows.after, rows.removed, rows.repeated_after) == (
        other.before,
        other.added,
        other.repeated_before,
    )
    assert (rows.changed, rows.unchanged) == (other.changed, other.unchanged)
    assert list(map(row_of, found.added)) == list(map(row_of, mirrored.removed))
    assert list(map(row_of, found.removed)) == list(map(row_of, mirrored.added))
    for column, twin in zip(found.columns, mirrored.columns, strict=True):
        assert column.n_changed == twin.n_changed
        assert column.max_abs_diff == twin.max_abs_diff
        assert column.max_rel_diff == twin.max_rel_diff
        assert [(repr(c.before), repr(c.after)) for c in column.samples] == [
            (repr(c.after), repr(c.before)) for c in twin.samples
        ]


def expected(
    before: list[Row], after: list[Row], key: Sequence[str], tolerance: float
) -> dict[str, Any]:
    """Compare two tables row by row."""
    sides = [defaultdict[Row, list[Row]](list), defaultdict[Row, list[Row]](list)]
    for side, rows in zip(sides, (before, after), strict=True):
        for row in rows:
            side[by(row, key)].append(row)
    n_changed = n_unchanged = 0
    added: list[Row] = []
    removed: list[Row] = []
    cells: dict[str, dict[Row, tuple[Any, Any]]] = {name: {} for name in NAMES}
    for k in set(sides[0]) | set(sides[1]):
        b, a = sides[0].get(k, []), sides[1].get(k, [])
        if len(b) > 1 or len(a) > 1:
            left, right = (Counter(whole(row, key) for row in rows) for rows in (b, a))
            n_unchanged += (left & right).total()
            removed += (left - right).elements()
            added += (right - left).elements()
        elif not a or not b:
            removed += [whole(row, key) for row in b]
            added += [whole(row, key) for row in a]
        else:
            pairs = dict(zip(NAMES, zip(b[0], a[0], strict=True), strict=True))
            changed = {
                name: pair
                for name, pair in pairs.items()
                if name not in key and not is_close(name, *pair, tolerance)
            }
            for name, pair in changed.items():
                cells[name][k] = pair
            n_changed += bool(changed)
            n_unchanged += not changed
    repeated = [
        sum(len(rows) for rows in side.values() if len(rows) > 1) for side in sides
    ]
    rows = {
        "before": len(before),
        "after": len(after),
        "added": len(added),
        "removed": len(removed),
        "changed": n_changed,
        "unchanged": n_unchanged,
        "repeated_before": repeated[0],
        "repeated_after": repeated[1],
    }
    return {"rows": rows, "added": added, "removed": removed, "cells": cells}


def canonical(value: Any) -> Any:
    """Make values equal, and hash alike, that are to be equal."""
    if isinstance(value, list):
        return ("list", *map(canonical, value))
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return value


def by(row: Row, key: Sequence[str]) -> Row:
    """Return the key of a row."""
    return tuple(canonical(row[NAMES.index(name)]) for name in key)


def whole(row: Row, key: Sequence[str]) -> Row:
    """Return the key of a row, then its other values."""
    return by(row, [*key, *(name for name in NAMES if name not in key)])


def row_of(sample: dict[str, Any]) -> Row:
    """Return a sample as the values of a row."""
    return tuple(map(canonical, sample.values()))


def is_close(name: str, before: Any, after: Any, tolerance: float) -> bool:
    """Say whether two values are to count as equal."""
    if canonical(before) == canonical(after):
        return True
    if not tolerance or not is_counted(name, before, after):
        return False
    return abs(before - after) <= tolerance * max(abs(before), abs(after))


def is_counted(name: str, before: Any, after: Any) -> bool:
    """Say whether two values are numbers with a difference."""
    if name not in ("k", "f", "x", "n") or before is None or after is None:
        return False
    return math.isfinite(before - after)
