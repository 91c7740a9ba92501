"""Results in all formats: whole, of any type, and never more of them in memory."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.errors import QueryError
from pipeline.snapshots.result import MAX_ROWS, plan, write_frame, write_result
from tests.conftest import ROOT

# Of all types that Polars does not know, or cannot write.
ODD = """
SELECT 'a\\xFF'::BLOB AS bytes, {'x': 'b'::BLOB} AS nested, [1, 2] AS list,
    MAP {1: 2} AS map, INTERVAL 1 DAY AS interval, '10'::BIT AS bits,
    1::UNION(n INTEGER, s VARCHAR) AS either, 'infinity'::DATE AS never,
    TIMESTAMP '290000-01-01' AS far, 'nan'::DOUBLE AS nan, '-inf'::FLOAT AS inf,
    2::HUGEINT AS large, 1.50::DECIMAL(4, 2) AS money, 'a'::ENUM ('a') AS label,
    '{}'::JSON AS json, NULL AS nothing, 1 AS twice, 2 AS twice, 'ü"' AS text
"""

# Fails at a row that is far from the first.
LATE = (
    "SELECT CASE WHEN range < 1000000 THEN 1 ELSE error('late') END AS x FROM range({})"
)


def written(sql: str, path: Path) -> Path:
    with duckdb.connect() as con:
        write_result(plan(con, sql), None, path)
    return path


def test_json_holds_every_type(tmp_path: Path) -> None:
    def constant(name: str) -> None:
        raise AssertionError(name)  # NaN is not JSON

    text = written(ODD, tmp_path / "odd.json").read_text()
    [row] = json.loads(text, parse_constant=constant)
    assert row["bytes"] == "a\\xFF"
    assert (row["nested"], row["list"]) == ({"x": "b"}, [1, 2])
    assert (row["interval"], row["never"]) == ("1 day", "infinity")
    assert (row["nan"], row["inf"], row["nothing"]) == (None, None, None)
    assert (row["large"], row["money"], row["json"]) == (2, 1.5, {})
    assert (row["twice"], row["twice_1"], row["text"]) == (1, 2, 'ü"')


def test_csv_holds_what_a_table_shows(tmp_path: Path) -> None:
    path = written(ODD, tmp_path / "odd.csv")
    row = pl.read_csv(path, infer_schema=False).row(0, named=True)
    assert (row["bytes"], row["list"], row["map"]) == ("a\\xFF", "[1, 2]", "{1=2}")
    assert (row["far"], row["money"], row["nan"]) == (
        "290000-01-01 00:00:00",
        "1.50",
        "nan",
    )
    assert (row["twice_1"], row["text"], row["nothing"]) == ("2", 'ü"', None)


def test_parquet_holds_every_type(tmp_path: Path) -> None:
    path = written(ODD, tmp_path / "odd.parquet")
    with duckdb.connect() as con:
        before, found = con.sql(ODD).fetchall(), con.read_parquet(str(path)).fetchall()
        types = dict(zip(con.read_parquet(str(path)).columns, found[0], strict=True))
    as_text = {"interval": "1 day", "bits": "10", "either": "1"}
    assert {name: types[name] for name in as_text} == as_text
    assert types["bytes"] == b"a\xff"
    assert types["large"] == 2
    widest = written(f"SELECT {2**128 - 1}::uhugeint AS u", tmp_path / "u.parquet")
    with duckdb.connect() as con:
        assert con.read_parquet(str(widest)).fetchall() == [(str(2**128 - 1),)]
    assert len(before) == len(found) == 1


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_result_without_rows_is_a_file(tmp_path: Path, format_: str) -> None:
    path = written("SELECT 1 AS x WHERE false", tmp_path / f"none.{format_}")
    read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}
    assert read[format_](path).height == 0


@pytest.mark.parametrize(
    ("format_", "first"), [("csv", b"x\n1\n1\n"), ("json", b'[{"x":1}')]
)
def test_rows_are_written_before_the_last_is_there(
    capfdbinary: pytest.CaptureFixture[bytes], format_: str, first: bytes
) -> None:
    # Of several threads, one may come to the late row before the first is fetched.
    with duckdb.connect(config={"threads": 1}) as con:
        query = plan(con, LATE.format(10**12))
        with pytest.raises(QueryError, match="late"):
            write_result(query, format_, None)
    assert capfdbinary.readouterr().out.startswith(first)


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_statement_that_fails_on_its_way_leaves_the_file_as_it_was(
    tmp_path: Path, format_: str
) -> None:
    path = tmp_path / f"out.{format_}"
    path.write_text("before")
    link = tmp_path / f"link.{format_}"
    link.symlink_to(path)
    with pytest.raises(QueryError, match="late"):
        written(LATE.format(1000001), link)
    assert path.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [link, path]
    written("SELECT 1 AS x", link)
    assert link.is_symlink()
    assert path.read_bytes() != b"before"


@pytest.mark.parametrize("n_above", [0, 9])
@pytest.mark.parametrize("format_", ["table", "csv", "json", "parquet"])
def test_where_a_statement_fails_is_said_by_its_own_lines(
    tmp_path: Path, format_: str, n_above: int
) -> None:
    sql = "SELECT 1, " + "\n" * n_above + "x::INT AS x FROM (VALUES ('nine')) AS t(x)"
    with duckdb.connect() as con:
        with pytest.raises(duckdb.Error) as expected:
            con.execute(sql).fetchall()
        output = None if format_ == "table" else tmp_path / f"out.{format_}"
        with pytest.raises(QueryError, match=f"LINE {n_above + 1}: ") as error:
            write_result(plan(con, sql), None, output)
    excerpt, mark = str(expected.value).splitlines()[-2:]
    found, found_mark = str(error.value).splitlines()[-2:]
    assert found.split(maxsplit=2) == excerpt.split(maxsplit=2)
    assert found[found_mark.index("^") :] == excerpt[mark.index("^") :]


def test_link_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    with pytest.raises(QueryError, match=r"cannot be written\nfound: Too many levels"):
        written("SELECT 1", loop)


def test_disk_that_is_full_is_said(tmp_path: Path) -> None:
    with duckdb.connect() as con, pytest.raises(QueryError) as error:
        write_result(plan(con, "FROM range(10)"), "csv", Path("/dev/full"))
    assert str(error.value) == (
        "/dev/full: cannot be written\nfound: No space left on device"
    )


def test_csv_tells_a_null_from_no_text_and_quotes_what_it_must(tmp_path: Path) -> None:
    cells = ["plain", "a,b", 'say "x"', "two\nlines", "cr\r", "", None]
    listed = ", ".join("NULL" if c is None else f"'{c}'" for c in cells)
    path = written(f'SELECT unnest([{listed}]) AS "a,""b"', tmp_path / "cells.csv")
    assert path.read_bytes() == (
        b'"a,""b"\nplain\n"a,b"\n"say ""x"""\n"two\nlines"\n"cr\r"\n""\n\n'
    )


def shown(sql: str, capsys: pytest.CaptureFixture[str], **given: object) -> list[str]:
    with duckdb.connect() as con:
        write_result(plan(con, sql), None, None, **given)  # pyright: ignore[reportArgumentType]
    return capsys.readouterr().out.splitlines()


def test_a_table_has_a_line_per_row_and_counts_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sql = "SELECT range * 1000 AS n, 7236.169999999998::DOUBLE AS x FROM range(2)"
    assert shown(sql, capsys) == [
        "    n         x",
        "-----  --------",
        "    0  7,236.17",
        "1,000  7,236.17",
        "2 rows",
    ]
    many = shown("FROM range(365039)", capsys)
    assert (len(many), many[-1]) == (MAX_ROWS + 3, "40 of 365,039 rows")
    assert shown("FROM range(1)", capsys)[-1] == "1 row"
    assert shown("SELECT 1 AS x WHERE false", capsys) == ["x", "-", "0 rows"]
    assert shown("SELECT 4000 AS Unit", capsys, keys=["unit"])[2] == "4000"


def test_rows_that_take_long_to_count_are_not_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.snapshots.result._COUNT_S", 0.01)
    endless = "SELECT a.range FROM range(10000000) a, range(10000000) b"
    with_filter = f"{endless} WHERE a.range * b.range <> -1"
    assert shown(with_filter, capsys)[-1] == "40 of more rows; `-o FILE` writes all"


def test_plans_are_shown_as_they_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    for explain in ("EXPLAIN", "EXPLAIN ANALYZE"):
        plan = shown(f"{explain} SELECT 1 AS x", capsys)
        assert any("Projection" in line for line in plan)
        assert len(plan) > 3
        assert not any("\\n" in line for line in plan)


def test_only_parquet_needs_relations_and_dataframes() -> None:
    code = (
        "import sys, pipeline.snapshots.sql\n"
        "from pipeline.snapshots.core import duckdb\n"
        "from pipeline.snapshots.result import plan, write_result\n"
        "with duckdb.connect() as con:\n"
        "    for form in ('table', 'vertical', 'csv', 'json'):\n"
        "        write_result(plan(con, 'FROM range(50)'), form, None)\n"
        "loaded = {'duckdb', 'polars', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    words = [sys.executable, "-c", code]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE)


def test_terminal_without_boxes_gets_lines_of_ascii(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "out.txt"
    with path.open("w", encoding="latin-1") as stdout, duckdb.connect() as con:
        monkeypatch.setattr("sys.stdout", stdout)
        write_result(plan(con, "SELECT 'ü' AS ä, '€' AS money"), None, None)
        write_result(plan(con, "EXPLAIN SELECT 1"), None, None)
        monkeypatch.undo()
    lines = path.read_text("latin-1").splitlines()
    assert lines[:3] == ["ä  money", "-  ------", "ü  \\u20ac"]
    assert lines[4].startswith("+- Projection -")


def test_a_frame_is_written_as_the_suffix_says_or_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    df = pl.DataFrame({"unit": [1, 2], "prediction": [0.5, None]})
    read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}
    for suffix, reader in read.items():
        path = tmp_path / f"out.{suffix}"
        write_frame(df, None, path)
        assert reader(path).equals(df)
    write_frame(df, None, None)
    assert "prediction" in capsys.readouterr().out
    nulls = pl.DataFrame({"none": [None, None], "within": [[None], []]})
    write_frame(nulls, "csv", None)
    assert capsys.readouterr().out.splitlines()[1:] == [",[NULL]", ",[]"]
    nowhere, text = tmp_path / "no" / "out.csv", tmp_path / "out.txt"
    with pytest.raises(QueryError) as error:
        write_frame(df, None, nowhere)
    assert str(error.value).startswith(f"{nowhere}: cannot be written\nfound: ")
    with pytest.raises(QueryError) as error:
        write_frame(df, None, text)
    assert str(error.value) == (
        f"{text}: the suffix '.txt' is not known\n"
        "expected: a suffix of .csv, .json, .parquet\n"
        "hint: `--format` chooses for any other"
    )
    with pytest.raises(QueryError, match="cannot hold a whole result as a table"):
        write_frame(df, "table", tmp_path / "out.csv")
