"""Results in all formats: whole, of any type, and never more of them in memory."""

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.errors import QueryError
from pipeline.snapshots.result import write_frame, write_result

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
        write_result(con.sql(sql), None, path)
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
        relation = con.sql(LATE.format(10**12))
        with pytest.raises(QueryError, match="late"):
            write_result(relation, format_, None)
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


def test_link_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    with pytest.raises(QueryError, match=r"cannot be written\nfound: Too many levels"):
        written("SELECT 1", loop)


def test_disk_that_is_full_is_said(tmp_path: Path) -> None:
    with duckdb.connect() as con, pytest.raises(QueryError) as error:
        write_result(con.sql("FROM range(10)"), "csv", Path("/dev/full"))
    assert str(error.value) == (
        "/dev/full: cannot be written\nfound: No space left on device"
    )


def test_terminal_without_boxes_gets_lines_of_ascii(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "out.txt"
    with path.open("w", encoding="latin-1") as stdout, duckdb.connect() as con:
        monkeypatch.setattr("sys.stdout", stdout)
        write_result(con.sql("SELECT 'ü' AS ä"), None, None)
        monkeypatch.undo()
    assert path.read_text("latin-1").splitlines() == [
        "+---------+",
        "|    ä    |",
        "| varchar |",
        "+---------+",
        "| ü       |",
        "+---------+",
        "",
    ]


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
