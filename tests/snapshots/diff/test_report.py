"""A diff is shown as text, Markdown and JSON."""

import datetime as dt
import json
from decimal import Decimal
from math import inf, nan
from typing import Any

import polars as pl
import pytest

from pipeline.snapshots.diff.report import MAX_COLUMNS, to_json, to_markdown, to_text
from tests.snapshots.diff.conftest import DiffTables

BEFORE = pl.DataFrame(
    {
        "year": [2009, 2010, 2011],
        "cost": [1000.0, 20.0, 30.0],
        "label": ["a|b", "c", "d"],
        "gone": [1, 2, 3],
    }
)
AFTER = pl.DataFrame(
    {
        "year": pl.Series([2009, 2010, 2012], dtype=pl.Int32),
        "label": ["a|`c`\n", None, "d"],
        "cost": [1250.0, 20.5, 30.0],
        "new": [True, True, None],
    }
)

TEXT = """\
discharges: different
  3 rows before, 3 after: 1 added, 1 removed, 2 changed, 0 unchanged
  key: year
schema
  + new Boolean
  - gone Int64
  ~ year Int64 to Int32
  ~ the order of the columns
values
  column  changed  max abs  mean abs  max rel
  cost          2      250     125.2      0.2
  label         2        -         -        -
changed
  2009  cost   1000.0 -> 1250.0
  2009  label  'a|b' -> 'a|`c`\\n'
  2010  cost   20.0 -> 20.5
  2010  label  'c' -> null
added
  2012
removed
  2011
"""

MARKDOWN = """\
### `discharges`: different

| before | after | added | removed | changed | unchanged |
| --- | --- | --- | --- | --- | --- |
| 3 | 3 | 1 | 1 | 2 | 0 |

- key: `year`

- added: `new` `Boolean`
- removed: `gone` `Int64`
- changed: `year` `Int64` to `Int32`
- changed: the order of the columns

| column | changed | max abs | mean abs | max rel |
| --- | --- | --- | --- | --- |
| `cost` | 2 | 250 | 125.2 | 0.2 |
| `label` | 2 | - | - | - |

<details><summary>changed</summary>

| key | column | before | after |
| --- | --- | --- | --- |
| `2009` | `cost` | `1000.0` | `1250.0` |
| `2009` | `label` | `'a\\|b'` | ``'a\\|`c`\\n'`` |
| `2010` | `cost` | `20.0` | `20.5` |
| `2010` | `label` | `'c'` | `null` |

</details>

<details><summary>added</summary>

- `2012`

</details>

<details><summary>removed</summary>

- `2011`

</details>
"""


def test_text_is_aligned_and_short(diff_tables: DiffTables) -> None:
    assert to_text(diff_tables(BEFORE, AFTER, "year"), "discharges") == TEXT


def test_markdown_quotes_what_it_shows(diff_tables: DiffTables) -> None:
    assert to_markdown(diff_tables(BEFORE, AFTER, "year"), "discharges") == MARKDOWN


def test_equal_objects_are_one_short_paragraph(diff_tables: DiffTables) -> None:
    d = diff_tables(BEFORE, BEFORE, "year", tolerance=0.01)
    assert to_text(d, "drgs").splitlines() == [
        "drgs: equal within a relative tolerance of 0.01",
        "  3 rows before, 3 after: 0 added, 0 removed, 0 changed, 3 unchanged",
        "  key: year",
    ]
    assert "details" not in to_markdown(d, "drgs")


def test_way_of_matching_is_said_where_it_is_not_plain(diff_tables: DiffTables) -> None:
    twice = pl.concat([BEFORE, BEFORE.head(1)])
    repeated = diff_tables(BEFORE, twice, "year")
    for show in (to_text, to_markdown):
        assert "key not unique in 0 rows before and 2 after" in show(repeated, "x")
        assert "key: " in show(repeated, "x")


def test_column_that_was_not_compared_is_named(diff_tables: DiffTables) -> None:
    d = diff_tables({"k": [1], "x": [1]}, {"k": [1], "x": ["1"]}, "k")
    assert "~ x Int64 to String, values not compared" in to_text(d, "x")


def test_wide_objects_are_cut_but_in_json(diff_tables: DiffTables) -> None:
    n = 100
    long = "|`\\\n" * 100
    before: dict[str, Any] = {
        f"k{i}": [long + str(j) for j in range(50)] for i in range(n)
    }
    after = {name: [f"{long}!{j}" for j in range(50)] for name in before}
    after |= {"k0": before["k0"], **{f"new{i}{long}": [0] * 50 for i in range(n)}}
    d = diff_tables(before, after, "k0", n_samples=50)
    markdown = to_markdown(d, "wide")
    assert len(markdown) < 65_536
    assert max(map(len, to_text(d, "wide").splitlines())) < 300
    assert f"and {n - MAX_COLUMNS} columns more" in markdown
    written = json.loads(to_json(d))
    assert len(written["schema"]["added"]) == n
    assert f"and {n - 1 - MAX_COLUMNS} changed columns more" in markdown
    assert len(written["columns"]) == n - 1
    assert len(written["columns"][0]["samples"]) == 50
    assert written["columns"][0]["samples"][0]["before"] == long + "0"
    # As many cells in every line of a table, whatever the values hold.
    for line in markdown.splitlines():
        if line.startswith("| `"):
            n_cells = line.replace("\\\\", "").replace("\\|", "").count("|") - 1
            assert n_cells in (4, 5)


def test_json_holds_everything_under_documented_names(diff_tables: DiffTables) -> None:
    written = json.loads(to_json(diff_tables(BEFORE, AFTER, "year", tolerance=0.01)))
    assert list(written) == [
        *("is_equal", "key", "tolerance", "schema"),
        *("rows", "columns", "added", "removed"),
    ]
    assert written["is_equal"] is False
    assert written["schema"] == {
        "added": [{"name": "new", "dtype": "Boolean"}],
        "removed": [{"name": "gone", "dtype": "Int64"}],
        "changed": [
            {"name": "year", "before": "Int64", "after": "Int32", "is_compared": True}
        ],
        "is_reordered": True,
        "renamed": [],
    }
    assert written["rows"] == {
        "before": 3,
        "after": 3,
        "added": 1,
        "removed": 1,
        "changed": 2,
        "unchanged": 0,
        "repeated_before": 0,
        "repeated_after": 0,
    }
    assert written["columns"][0] == {
        "name": "cost",
        "n_changed": 2,
        "max_abs_diff": 250.0,
        "mean_abs_diff": 125.25,
        "max_rel_diff": 0.2,
        "samples": [
            {"key": {"year": 2009}, "before": 1000.0, "after": 1250.0},
            {"key": {"year": 2010}, "before": 20.0, "after": 20.5},
        ],
    }
    assert written["added"] == [{"year": 2012, "cost": 30.0, "label": "d"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (nan, "NaN"),
        (inf, "Infinity"),
        (-inf, "-Infinity"),
        (b"\xff\0", "ff00"),
        (dt.date(2009, 1, 2), "2009-01-02"),
        (dt.time(1, 2, 3), "01:02:03"),
        (dt.timedelta(days=1), "P1D"),
        (Decimal("1.50"), "1.50"),
        (2**64, str(2**64)),
        (2**63, 2**63),
        ([nan, None], ["NaN", None]),
        ({"a": b"\1"}, {"a": "01"}),
    ],
    ids=str,
)
def test_json_holds_values_of_any_dtype(
    diff_tables: DiffTables, value: Any, expected: Any
) -> None:
    dtype = pl.Int128 if isinstance(value, int) else None
    filled = pl.DataFrame({"k": [1], "x": pl.Series([value], dtype=dtype)})
    d = diff_tables(filled, filled.with_columns(x=pl.lit(None, filled["x"].dtype)), "k")
    [cell] = json.loads(to_json(d))["columns"][0]["samples"]
    assert cell == {"key": {"k": 1}, "before": expected, "after": None}
    assert " -> null" in to_text(d, "x")
