"""Complete names that are typed in SQL: tables, columns, words of the language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.snapshots.catalog import PREVIOUS, identifier
from pipeline.snapshots.core import duckdb

_COLUMNS = f"""
SELECT schema_name, table_name, list(column_name ORDER BY column_index)
FROM duckdb_columns()
WHERE schema_name IN ('main', 'meta', 'published', '{PREVIOUS}') AND NOT internal
GROUP BY ALL ORDER BY ALL
"""
_WORDS = """
SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'
UNION SELECT function_name FROM duckdb_functions() WHERE function_name ~ '[a-z]\\w+'
"""

_NAME = r'\w+|"(?:[^"]|"")+"'
_ALIAS = re.compile(
    rf"(?:\bfrom|\bjoin|,)\s+((?:\w+\.)?(?:{_NAME}))\s+(?:as\s+)?({_NAME})",
    re.IGNORECASE,
)

_NEEDS_TABLE = re.compile(
    rf"\b(?:join|from(?:\s+[\w.]*(?:{_NAME})(?:\s+(?:as\s+)?(?:{_NAME}))?\s*,)*)\s+$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Known:
    """What can be named, as it is written in SQL."""

    tables: Mapping[str, Sequence[str]]
    """Their columns."""
    words: Sequence[str]
    """Keywords and functions, in lower case."""


def known(con: duckdb.DuckDBPyConnection) -> Known:
    """Look what there is."""
    words = sorted(word.lower() for (word,) in con.execute(_WORDS).fetchall())
    return Known(tables_of(con), words)


def tables_of(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Look which tables there are, and their columns."""
    tables: dict[str, list[str]] = {}
    for schema, table, columns in con.execute(_COLUMNS).fetchall():
        before = "" if schema == "main" else f"{schema}."
        tables[before + _written(table)] = [_written(name) for name in columns]
    return tables


def completions(text: str, before: str, statement: str, known: Known) -> list[str]:
    """Give what a text may become within a statement, names before words.

    Behind a table or its alias and a dot stand its columns; behind ``from`` and
    ``join``, which `before` the text ends with, tables only, if one begins so.
    """
    owner, dot, start = text.rpartition(".")
    table = _table(owner, statement, known) if dot else None
    if table is not None:
        columns = known.tables[table]
        return [f"{owner}.{name}" for name in columns if _begins(name, start)]
    tables = [name for name in known.tables if _begins(name, text)]
    if tables and _NEEDS_TABLE.search(before):
        return tables
    names = dict.fromkeys((*known.tables, *_all_columns(known)))
    found = [name for name in names if _begins(name, text)]
    if text:
        words = (w.upper() if text.isupper() else w for w in known.words)
        found += [word for word in words if _begins(word, text) and word not in names]
    return found


def _all_columns(known: Known) -> Iterator[str]:
    """Give the columns of all tables."""
    for columns in known.tables.values():
        yield from columns


def _table(owner: str, statement: str, known: Known) -> str | None:
    """Find the table of a name or alias."""
    aliases = {alias.lower(): of.lower() for of, alias in _ALIAS.findall(statement)}
    wanted = aliases.get(owner.lower(), owner.lower())
    return next((name for name in known.tables if name.lower() == wanted), None)


def _begins(name: str, text: str) -> bool:
    """Tell whether a name begins so, in whatever case; its quote may be left out."""
    return name.lower().startswith(text.lower()) or (
        bool(text) and name.lower().startswith(f'"{text.lower()}')
    )


def _written(name: str) -> str:
    """Quote a name where SQL needs it."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else identifier(name)
