"""Rows that a SELECT gives from a DuckDB file, which is opened to read only."""

from pathlib import Path

import polars as pl

from pipeline.errors import SourceError
from pipeline.files.local import find_local
from pipeline.sources.query import QuerySource, keep_rows, rows_path


class DuckDbSource(
    QuerySource, frozen=True, kw_only=True, tag="duckdb", tag_field="kind"
):
    """Raw rows that a query gives of the tables in a file of DuckDB.

    ``path`` is relative to the project's folder.
    """

    path: str

    @property
    def database(self) -> str:
        """Name the file."""
        return f"duckdb {self.path}"


def fetch_duckdb(config: DuckDbSource, root: Path) -> None:
    """Ask a file of DuckDB, and keep the rows.

    The query reads this file alone. A SourceError if it is not there, another process
    writes to it, or it cannot answer.
    """
    # Imported late: few projects have such sources.
    import duckdb

    [file, *others] = find_local(config.path, root)
    if others:
        raise SourceError(
            f"{root / config.path}: names {len(others) + 1} files\n"
            f"found: {file.name}, {others[0].name}\nexpected: one file of DuckDB"
        )
    try:
        with duckdb.connect(file, read_only=True) as con:
            con.execute("SET enable_external_access=false; SET TimeZone='UTC'")
            rows = con.sql(config.query).pl()
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        found = str(error).splitlines()[0]
        raise SourceError(
            f"{file}: does not answer source.query\nfound: {found}\n"
            "expected: a SELECT of the tables in this file\n"
            "hint: try the query with the DuckDB of this project; close what writes to"
            " the file"
        ) from error
    keep_rows(rows, rows_path(config, root), str(file))
