"""The commands that ask what there is, as a user types them."""

import io
import json
import os
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from pipeline.commands.cli import main
from tests.commands.conftest import SOURCE, invoke


def test_show_writes_all_rows_to_a_file_and_the_first_ones_as_a_table(
    published: Path, tmp_path: Path
) -> None:
    file = tmp_path / "lagged.parquet"
    given = ("show", "lag_columns", "--columns", "year, facility_id", *SOURCE)
    assert invoke(published, *given, "-o", str(file)).exit_code == 0
    assert pl.read_parquet(file).columns == ["year", "facility_id"]
    n_rows = pl.read_parquet(file).height
    result = invoke(published, *given)
    assert "facility_id" in result.stdout
    first = f"lag_columns: the first 20 rows of {n_rows:,}, computed from"
    assert result.stderr == f"{first} facility_drg_year\n"


def test_show_against_a_run_ends_as_diff_does(published: Path) -> None:
    given = ("show", "agg_severities", "--against", "latest", *SOURCE)
    other = invoke(published, *given, "drop_rare_drgs.min_total=2000")
    assert (other.exit_code, ": different" in other.output) == (1, True)
    assert invoke(published, *given, "--stats").exit_code == 2
    assert invoke(published, "show", "features", "--columns", "").exit_code == 2
    assert invoke(published, *given, "dorp_rare_drgs.min_total=1").exit_code == 2


def test_sql_prints_a_table(published: Path) -> None:
    result = invoke(published, "sql", "SELECT 6 * 7 AS answer")
    assert result.exit_code == 0
    assert "answer" in result.output
    assert "42" in result.output


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_sql_writes_files_of_each_format(
    published: Path, tmp_path: Path, format_: str
) -> None:
    path = tmp_path / f"out.{format_}"
    sql = "SELECT year, sum(discharges) AS n FROM discharges GROUP BY 1 ORDER BY 1"
    result = invoke(published, "sql", sql, "-o", str(path))
    assert result.exit_code == 0, result.output
    reader = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}
    written = reader[format_](path)
    with duckdb.connect(
        published / ".pipeline" / "snapshots.duckdb", read_only=True
    ) as c:
        assert written.rows() == c.execute(sql).fetchall()


def test_sql_refuses_to_write_part_of_a_result(published: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    result = invoke(published, "sql", "FROM features", "-o", str(path))
    assert result.exit_code == 1
    assert "the suffix '.txt' is not known\nexpected: a suffix of .csv" in result.stderr
    assert not path.exists()


def test_sql_may_begin_with_a_comment(published: Path) -> None:
    assert "42" in invoke(published, "sql", "-- why\nSELECT 42 AS answer").output


def test_sql_json_on_the_terminal_is_json(published: Path) -> None:
    sql = "SELECT sum(year) AS n, 1.5 AS half, [1, 2] AS list, NULL AS x FROM features"
    [row] = json.loads(invoke(published, "sql", sql, "--format", "json").output)
    assert isinstance(row["n"], int)
    assert row["list"] == [1, 2]
    assert row["half"] == 1.5
    assert row["x"] is None


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t AS SELECT 1",
        "DELETE FROM meta.runs",
        "DROP VIEW features",
        "COPY features TO 'stolen.csv'",
        "COPY (SELECT 1) TO '{objects}/new.parquet'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{objects}/new.parquet'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{root}/configs/pipeline.yaml')",
        "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT 1; DROP VIEW features",
        "",
        "SELEC 1",
        "SELECT * FROM no_such_table",
    ],
)
def test_sql_refuses_what_is_not_one_select_over_the_snapshots(
    published: Path, sql: str
) -> None:
    objects = published / ".pipeline" / "runs"
    before = sorted(objects.rglob("*"))
    result = invoke(published, "sql", sql.format(objects=objects, root=published))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: sql: ")
    assert sorted(objects.rglob("*")) == before


def test_sql_without_snapshots_says_how_to_make_them(project: Path) -> None:
    result = invoke(project, "sql", "SELECT 1")
    assert result.exit_code == 1
    assert "hint: `just run` makes them" in result.stderr


@pytest.mark.parametrize("format_", [(), ("--format", "csv")])
def test_sql_answers_each_statement_of_its_input(
    published: Path, format_: tuple[str, ...]
) -> None:
    stdin = "SELECT 40\n + 2 AS a; -- one;\n/* two */ SELECT 'still here;' AS b"
    result = invoke(published, "sql", *format_, stdin=stdin)
    assert result.exit_code == 0
    assert "42" in result.stdout
    assert "still here;" in result.stdout


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("", "error: sql: expected one SELECT, found nothing\n"),
        ("SELECT 1 AS a; SELECT nope; SELECT 2", "error: sql: Binder Error: Ref"),
        ("SELECT 1 AS a; SELEC 2", "error: sql: Parser Error: syntax error"),
        ("SELECT '\udcff'", "error: sql: a byte that is not UTF-8"),
    ],
)
def test_mistake_in_the_input_ends_it(
    published: Path, stdin: str, message: str
) -> None:
    given = io.BytesIO(stdin.encode(errors="surrogateescape"))
    before = Path.cwd()
    os.chdir(published)
    try:
        result = CliRunner().invoke(main, ["sql"], input=given)
    finally:
        os.chdir(before)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
@pytest.mark.parametrize(
    "sql", ["SHOW ALL TABLES", "DESCRIBE drgs", "SUMMARIZE drgs", "EXPLAIN FROM drgs"]
)
def test_what_describes_is_written_in_every_format(
    published: Path, sql: str, format_: str
) -> None:
    result = invoke(published, "sql", sql, "--format", format_)
    assert result.exit_code == 0, result.output
    read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}
    assert read[format_](result.stdout_bytes).height > 0


def test_unknown_option_of_sql_is_told_the_nearest(published: Path) -> None:
    result = invoke(published, "sql", "SELECT 1", "--formt", "csv")
    assert result.exit_code == 2
    assert "Did you mean '--format'?" in result.stderr


def test_mistake_in_a_yaml_does_not_stop_sql(published: Path, tmp_path: Path) -> None:
    shutil.copytree(published, tmp_path / "copy", symlinks=True)
    (tmp_path / "copy" / "configs").unlink()
    (tmp_path / "copy" / "configs").mkdir()
    (tmp_path / "copy" / "configs" / "pipeline.yaml").write_text("{")
    for words in (("sql", "SELECT 1"), ("query", "run_history"), ("history",)):
        assert invoke(tmp_path / "copy", *words).exit_code == 0, words


def test_no_color_is_honoured(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(published)
    for value, has_color in (("", True), ("1", False)):
        words = ["sql", "SELEC"]
        result = CliRunner(env={"NO_COLOR": value}).invoke(main, words, color=True)
        assert ("\033[" in result.stderr) is has_color


def test_query_that_cannot_be_read_is_named_in_the_list(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(published / "configs", tmp_path / "configs")
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "a.sql").write_text("SELECT 1")
    (tmp_path / "queries" / "b.sql").write_text("-- question: Why?\nSELECT 1")
    result = invoke(tmp_path, "query")
    assert result.exit_code == 0
    assert result.stdout == (
        "a\n    queries/a.sql: expected a line '-- question: ...'\nb\n    Why?\n"
    )


def test_query_lists_and_runs_named_queries(published: Path) -> None:
    listed = invoke(published, "query")
    assert "costliest_drgs" in listed.output
    assert "year=2017" in listed.output
    rows = invoke(published, "query", "costliest_drgs", "n_rows=3", "--format", "csv")
    assert len(rows.output.splitlines()) == 4


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["costliest_drg"], "did you mean 'costliest_drgs'?"),
        (["costliest_drgs", "yaer=2016"], "did you mean 'year'?"),
        (["costliest_drgs", "year=last"], "expected INTEGER, found 'last'"),
    ],
)
def test_query_mistakes_say_what_was_expected(
    published: Path, args: list[str], part: str
) -> None:
    result = invoke(published, "query", *args)
    assert result.exit_code == 1
    assert part in result.stderr


def test_why_leads_from_a_value_to_the_lines_of_the_source(published: Path) -> None:
    [row] = json.loads(
        invoke(
            published,
            *("sql", "from features where w_mean_cost_lag1 > 0 limit 1"),
            *("--format", "json"),
        ).stdout
    )
    key = [f"{k}={row[k]}" for k in ("facility_id", "apr_drg_code", "year")]
    words = ("why", "features", *key, "w_mean_cost_lag1", *SOURCE)
    found = json.loads(invoke(published, *words, "--format", "json").stdout)
    assert found["value"] == row["w_mean_cost_lag1"]
    rows = found["sources"]["source"]["rows"]
    cost = sum(r["Mean Cost"] * r["Discharges"] for r in rows)
    n = sum(r["Discharges"] for r in rows)
    assert cost / n == pytest.approx(found["value"], rel=1e-9)
    refused = invoke(published, "why", "features", *key[:2], "w_mean_cost_lag1")
    assert refused.exit_code == 1
    assert "lacking of the key: year" in refused.output


def test_docs_writes_pages_where_nothing_else_is(
    published: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.txt").touch()
    refused = invoke(published, "docs", "-o", str(tmp_path / "thesis"))
    assert refused.exit_code == 1
    assert "something else" in refused.output
    written = invoke(published, "docs", "-o", str(tmp_path / "pages"))
    assert written.exit_code == 0, written.output
    assert (tmp_path / "pages" / "index.html").is_file()


def test_docs_check_names_columns_without_a_description(published: Path) -> None:
    result = invoke(published, "docs", "--check")
    assert result.exit_code == 1
    assert "features.w_mean_cost_lag1" in result.output.splitlines()
