"""Rows that a SELECT gives from any database that ADBC reaches."""

import re
from importlib import import_module
from pathlib import Path
from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.errors import SourceError
from pipeline.sources.query import QuerySource, keep_rows, rows_path


class SqlSource(QuerySource, frozen=True, kw_only=True, tag="sql", tag_field="kind"):
    """Raw rows that a query gives of a database, by its address."""

    uri: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9+]*:.",
            description="an address, such as postgresql://host/database",
        ),
    ]

    @property
    def database(self) -> str:
        """Name the database without who asks."""
        return re.sub("(?<=://)[^/@]*@", "", self.uri)


def fetch_sql(config: SqlSource, root: Path) -> None:
    """Ask a database, and keep the rows; what a query would change is taken back.

    A SourceError if the database refuses, or its driver is not installed.
    """
    place = config.database
    try:
        # Imported late: few projects have such sources.
        adbc = import_module("adbc_driver_manager")
        arrow = import_module("pyarrow")
        try:
            rows = pl.read_database_uri(config.query, config.uri, engine="adbc")
        except (adbc.Error, pl.exceptions.PolarsError, arrow.ArrowException) as error:
            found = " ".join(str(error).split())
            raise SourceError(
                f"{place}: the database refuses\nfound: {found}\n"
                "hint: see that it is there, that source.uri names a user who may read,"
                " and that source.query is right"
            ) from error
    except ImportError as error:
        raise SourceError(
            f"{place}: its driver is not installed\n"
            f"found: {str(error).splitlines()[0]}\n"
            "hint: pip install adbc-driver-manager, and the database's own, such as"
            " adbc-driver-postgresql"
        ) from error
    keep_rows(rows, rows_path(config, root), place)
