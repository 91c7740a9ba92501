"""What the data show: columns and their kinds, by a pass over all rows.

Nothing is written but copies that Polars can read, into a folder that goes again.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.config import Layer, Mistake, Tree, check, parse_overrides, refuse
from pipeline.errors import ConfigError, SourceError, n_of, nearest, some
from pipeline.init.files import absolute, find_files, kind_of, path_of
from pipeline.init.kinds import YEARS, Kinds, kind_of_dtype, kinds_of, says_time
from pipeline.init.wide import Wide, find_wide
from pipeline.progress import doing
from pipeline.sources.cells import TEXT, parse_text, parse_typed
from pipeline.sources.columns import Column, Declared
from pipeline.sources.csv import CsvSource
from pipeline.sources.csv_file import read_heads
from pipeline.sources.dialect import Dialect
from pipeline.sources.excel import ExcelSource
from pipeline.sources.source import FileSource

_N_HEAD = 10_000
"""Rows whose cells tell the kinds."""


_MOST_BAD, _MOST_BAD_SHARE = 100, 0.01
"""Rows that a run sets aside, at most, and which part of all."""

_MOST_FOOTER = 3
"""Lines below a table."""


_YEAR = r"\d{4}"


_PLAIN = {"integer": r"^[+-]?\d{1,18}$", "number": r"^[+-]?\d*\.?\d+$"}
"""Numbers that Polars' cast reads as we do, and faster."""


_DATED = ("date", "datetime")


@dataclass(frozen=True)
class Seen:
    """A column, and what all rows show of it."""

    name: str
    column: Column
    n_null: int = 0
    n_bad: int = 0
    """Cells that are none of the kind; their rows would be set aside."""
    low: Any = None
    high: Any = None

    @property
    def kind(self) -> str:
        """The kind by its name."""
        return self.column.kind

    @property
    def is_number(self) -> bool:
        """Whether it is of what may be a target."""
        return self.kind in (
            "integer",
            "count",
            "number",
            "money",
            "percent",
            "decimal",
        )

    @property
    def is_count(self) -> bool:
        """Whether it is whole and never negative, so that nothing may be 0 of it."""
        is_whole = self.kind in ("integer", "count")
        return is_whole and self.low is not None and self.low >= 0

    @property
    def figure(self) -> str:
        """What several rows of a period make: whole numbers add up."""
        return "sum" if self.kind in ("integer", "count") else "mean"

    @property
    def varies(self) -> bool:
        """Whether rows differ in it."""
        return self.low != self.high


@dataclass(frozen=True)
class Survey:
    """All that is chosen from."""

    files: list[Path]
    source: Tree
    """Settings to be written."""
    n_rows: int
    columns: dict[str, Seen]
    head: pl.DataFrame
    """Values of the first rows."""
    cells: pl.LazyFrame
    """All rows as they stand, for an error to show some."""
    times: pl.DataFrame
    """All rows' values of the columns that may be time."""
    names: pl.DataFrame
    """All rows' columns that may name an entity, hashed to 64 bits."""
    wide: list[Wide]
    """Columns that are named for periods."""
    there: pl.DataFrame
    """Whether a cell of those holds a value, of all rows."""
    left_out: dict[str, str]
    """Columns that are not declared, and why."""
    zones: dict[str, str]
    """Of which other zone than UTC moments were, by their column."""
    read: Callable[[str], pl.Expr]
    """Reads a column of the cells."""

    def number(self, name: str) -> Seen:
        """Show what a column holds, or all those that hold its values, by period."""
        if name in self.columns:
            return self.columns[name]
        wide = {wide.value or name: wide for wide in self.wide}
        one = wide.get(name, self.wide[0])
        seen = [self.columns[column] for column in one.times]
        odd = [s for s in seen if s.kind != "integer"]
        lows, highs = ([s.low for s in seen], [s.high for s in seen])
        low = min((x for x in lows if x is not None), default=None)
        high = max((x for x in highs if x is not None), default=None)
        return Seen(name, (odd or seen)[0].column, low=low, high=high)

    def has(self, name: str) -> pl.Series:
        """Tell of all rows whether they have something in a column that is no text."""
        return self.cells.select(self.read(name).is_not_null()).collect().to_series()

    def row(self, at: int) -> dict[str, Any]:
        """Show a row as it stands."""
        return self.cells.slice(at, 1).collect().row(0, named=True)


@contextmanager
def survey(
    files: Sequence[Path], root: Path, words: Sequence[str]
) -> Generator[Survey]:
    """Look at files of one table.

    `root` is where the project will be, `words` are settings of the source and kinds of
    columns, as ``source.decimal=,`` and ``columns.Day=date``. A SourceError or
    ConfigError of what cannot be read.
    """
    found = find_files(files)
    given = _given(words)
    kind, path = kind_of(found), path_of(found, root)
    tree = {"kind": kind, "path": path, **given.get("source", {})}
    with TemporaryDirectory(prefix="pipeline-init-") as folder:
        at = Path(folder)
        config = _config(tree, given, found)
        names, left_out = _names_in(config, found, at)
        columns: dict[str, Declared] = _decoded(given.get("columns", {}), names)
        yield _look(_Table(config, tree, names, columns, left_out, found, at))


def _given(words: Sequence[str]) -> Tree:
    """Read settings of the source and columns; a ConfigError of any other."""
    tree = parse_overrides(words).tree
    refuse(
        [
            Mistake("command line", name, "expected source.NAME or columns.NAME")
            for name, value in tree.items()
            if name not in ("source", "columns") or not isinstance(value, dict)
        ]
    )
    return tree


def _config(tree: Tree, given: Tree, files: Sequence[Path]) -> FileSource:
    """Decode the settings of the source; columns where the file does not name them."""
    columns: Tree = given.get("columns", {}) if tree.get("header") is False else {}
    whole = {**tree, "path": str(files[0]), "columns": columns}
    config, mistakes = check(whole, FileSource, "source", [Layer("command line", tree)])
    refuse(mistakes)
    return config


def _decoded(given: Tree, names: Mapping[str, pl.DataType]) -> dict[str, Declared]:
    """Decode kinds of columns, which must be there."""
    for name in given:
        if name not in names:
            raise ConfigError(
                f"columns.{name}: no such column{nearest(name, names)}\n"
                f"found: {some(names)}"
            )
    layers = [Layer("command line", {"columns": given})]
    columns, mistakes = check(given, dict[str, Declared], "columns", layers)
    refuse(mistakes)
    return columns


def _names_in(
    config: FileSource, files: Sequence[Path], at: Path
) -> tuple[dict[str, pl.DataType], dict[str, str]]:
    """List the columns of all files, which are to be the same, and those left out."""
    names: dict[str, pl.DataType] = {}
    left_out: dict[str, str] = {}
    for file in files:
        found = sources.columns_in(config, file, at)
        here = [name for name, _ in found]
        left_out |= {n: "there twice" for n in here if here.count(n) > 1}
        if names and {*names} != {*here} - {*left_out}:
            raise SourceError(
                f"{file}: other columns than {files[0].name}\n"
                f"found: {some(here)}\nexpected: {some(names)}\n"
                "hint: begin with the rows that have the target; tables of other"
                " columns are `sources:` of their own, see configs/README.md"
            )
        names = names or {name: dtype for name, dtype in found if name not in left_out}
    return names, left_out


@dataclass(frozen=True)
class _Table:
    """The files of a table, and what is known of them before a row is read."""

    config: FileSource
    tree: Tree
    """Settings of the source, to be written."""
    names: Mapping[str, pl.DataType]
    """The columns of the files."""
    given: Mapping[str, Declared]
    """Kinds that somebody has said."""
    left_out: dict[str, str]
    files: Sequence[Path]
    at: Path
    """Where copies that Polars can read are put."""


@doing("looking at all rows")
def _look(table: _Table) -> Survey:
    """Find the kinds in the first rows, and hold all rows to them."""
    names, files, at = table.names, table.files, table.at
    of_text = {name: isinstance(dtype, TEXT) for name, dtype in names.items()}
    raw = {n: Column(kind="text") if of_text[n] else _typed(names[n]) for n in names}
    left_out = table.left_out | {
        name: f"{names[name]} is no kind of column"
        for name, column in raw.items()
        if column is None
    }
    path = str(files[0]) if len(files) == 1 else absolute(table.tree["path"], files)
    scanned = msgspec.structs.replace(
        table.config, path=path, columns={n: c for n, c in raw.items() if c is not None}
    )
    scan = sources.scan(scanned, at)
    sources.guard(scan.files, scanned, at)
    cells = pl.concat([one.rows.select(list(scanned.columns)) for one in scan.streams])
    try:
        return _looked(replace(table, left_out=left_out), cells)
    except (PolarsError, OSError) as error:
        raise scan.diagnose(scan.files) or SourceError(
            f"{some(map(str, files))}: cannot be read\n"
            f"found: {str(error).splitlines()[0]}"
        ) from error


def _looked(table: _Table, cells: pl.LazyFrame) -> Survey:
    """Look at the cells."""
    config, tree, files, given = table.config, table.tree, table.files, table.given
    head = cells.head(_N_HEAD).collect()
    by_commas = isinstance(config, CsvSource) and all(
        one.written.separator == "," for one in read_heads(files, config)
    )
    text = config if isinstance(config, Dialect) else None
    find = partial(
        kinds_of, given=given, source=text, place=str(files[0]), by_commas=by_commas
    )
    kinds = find(head)
    if text is not None and not text.skip_footer and head.height < _N_HEAD:
        n_footer = _footer(head, kinds, find)
        if n_footer:
            config = msgspec.structs.replace(config, skip_footer=n_footer)
            tree = {**tree, "skip_footer": n_footer}
            return _look(replace(table, config=config, tree=tree))
    if isinstance(config, ExcelSource) and head.height < _N_HEAD:
        _refuse_footer(head, _footer(head, kinds, find), files[0])
    look = _Look(cells, head, kinds, given, str(files[0]))
    look.go()
    settings = {**tree, **kinds.settings}
    return Survey(
        list(files),
        settings,
        look.n_rows,
        look.seen,
        head.select(look.value(name).alias(name) for name in look.seen),
        cells,
        look.times,
        look.names,
        look.wide,
        look.there,
        table.left_out | kinds.left_out,
        {name: zone for name, dtype in table.names.items() if (zone := _zone(dtype))},
        look.value,
    )


def _footer(
    head: pl.DataFrame, kinds: Kinds, find: Callable[[pl.DataFrame], Kinds]
) -> int:
    """Count the last rows of a table that are none of it, as totals are.

    Without them, columns are of numbers or dates that are of text with them.
    """
    texts = [name for name, column in kinds.columns.items() if column.kind == "label"]
    for n in range(1, _MOST_FOOTER + 1) if head.height > 2 * _MOST_FOOTER else ():
        above = find(head[:-n]).columns
        if any(name in above and above[name].kind != "label" for name in texts):
            return n
    return 0


def _refuse_footer(head: pl.DataFrame, n: int, file: Path) -> None:
    """Refuse rows of a sheet that are none of its table, as sheets are read whole."""
    if n:
        last = "\n".join(
            f"found: {', '.join(cell for cell in row if cell)}"
            for row in head.tail(n).iter_rows()
        )
        raise SourceError(
            f"{file}: {n_of(n, 'row')} below the table\n{last}\n"
            "expected: rows of the same kinds to the last, no totals\n"
            "hint: take them out of the sheet"
        )


def _zone(dtype: pl.DataType) -> str:
    """Name the zone of moments, if they are of another one than UTC."""
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    return zone if zone and zone != "UTC" else ""


def _typed(dtype: pl.DataType) -> Column | None:
    """Declare a typed column so that it is read as it is; None if it cannot be."""
    return Column(kind="text") if dtype == pl.Null else kind_of_dtype(dtype)


class _Look:
    """One pass over all rows, and another over columns that are not as expected."""

    def __init__(
        self,
        cells: pl.LazyFrame,
        head: pl.DataFrame,
        kinds: Kinds,
        given: Mapping[str, Declared],
        place: str,
    ) -> None:
        self._place = place
        self._cells, self._head, self._kinds, self._given = cells, head, kinds, given
        self._schema = cells.collect_schema()
        self.columns = dict(kinds.columns)
        self.seen: dict[str, Seen] = {}
        self.n_rows = self._n_blank = 0
        self.wide = self._find_wide()
        self._require_header()
        self.times = self.names = self.there = pl.DataFrame()

    def _require_header(self) -> None:
        """Refuse a first line that holds values instead of names."""
        of_wide = {name for wide in self.wide for name in wide.times}
        names = [n for n, c in self.columns.items() if c.kind != "label"]
        for name in [n for n in names if n not in {*of_wide, *self._given}]:
            cell = pl.LazyFrame({name: [name]})
            text = parse_text(pl.col(name), self.columns[name], self._kinds.notation)
            is_value = self.columns[name].kind != "text" and not re.fullmatch(
                _YEAR, name
            )
            if is_value and cell.select(text).collect().item() is not None:
                raise SourceError(
                    f"{self._place}: the first line names no columns\n"
                    f"found: {some(self._schema)}\nexpected: a header\n"
                    "hint: write one into the file; or say source.header=false and, in"
                    " their order, the kinds of all columns: columns.Day=date"
                )

    def go(self) -> None:
        """Look at all rows."""
        of_wide = [name for wide in self.wide for name in wide.times]
        names = [n for n in self.columns if n not in of_wide and self._may_name(n)]
        dated, counted = ([], []) if self.wide else self._times()
        columns = (
            self._figures(),
            [self._raw(name).alias(name) for name in (*dated, *counted)],
            [_hashed(name) for name in names],
            [self.value(name).is_not_null().alias(name) for name in of_wide],
        )
        figures, rows, self.names, self.there = pl.collect_all(
            [self._cells.select(some_columns) for some_columns in columns],
            engine="streaming",
        )
        self._n_blank = figures["blank"].item()
        self.n_rows = figures["rows"].item() - self._n_blank
        values = [self.value(name).alias(name) for name in counted]
        rows = rows.with_columns(*(self._dated(rows[name]) for name in dated), *values)
        odd = self._take(figures, rows)
        if odd:
            self._take_again(odd)
        self.times = rows.drop([name for name in odd if name in counted])

    def _times(self) -> tuple[list[str], list[str]]:
        """Name the columns of dates, and those of numbers that may count periods."""
        dated = [n for n, column in self.columns.items() if column.kind in _DATED]
        return dated, [name for name in self.columns if self._may_be_time(name)]

    def _find_wide(self) -> list[Wide]:
        """Find the columns of numbers that are named for periods; none beside dates."""
        numbers = [
            n for n, c in self.columns.items() if c.kind in ("integer", "number")
        ]
        is_dated = any(c.kind in _DATED for c in self.columns.values())
        return [] if is_dated else find_wide(numbers)

    def _raw(self, name: str) -> pl.Expr:
        """Take cells as they stand, without those that are nothing."""
        raw, nulls = pl.col(name), self._kinds.nulls
        if nulls and self._schema[name] == pl.String:
            return pl.when(~raw.str.strip_chars().is_in(nulls)).then(raw)
        return raw

    def value(self, name: str) -> pl.Expr:
        """Read the cells of a column."""
        column, raw, dtype = self.columns[name], self._raw(name), self._schema[name]
        if isinstance(dtype, pl.Datetime) and column.kind == "datetime":
            return raw
        if dtype != pl.String:
            return parse_typed(raw, dtype, column)
        if (form := _PLAIN.get(column.kind)) and self._all_like(name, form):
            to = pl.Int64 if column.kind == "integer" else pl.Float64
            return raw.cast(to, strict=False)
        return parse_text(raw, column, self._kinds.notation)

    def _all_like(self, name: str, form: str) -> bool:
        """Tell whether the first cells are all written so."""
        cells = self._head.select(self._raw(name)).to_series().drop_nulls()
        return bool(cells.str.contains(form).all())

    def _may_be_time(self, name: str) -> bool:
        """Tell whether whole numbers of the first rows may count periods."""
        if self.columns[name].kind != "integer":
            return False
        return is_counted(name, self._head.select(self.value(name)).to_series())

    def _may_name(self, name: str) -> bool:
        """Tell whether a column may be part of an entity's name."""
        return self.columns[name].kind in ("label", "integer", "code")

    def _figures(self) -> Iterator[pl.Expr]:
        """Count rows, nothings and what is none of the kind, and find the extremes."""
        yield pl.len().alias("rows")
        yield pl.all_horizontal(pl.all().is_null()).sum().alias("blank")
        for name, column in self.columns.items():
            yield self._raw(name).null_count().alias(f"null {name}")
            if column.kind in (*_DATED, "label", "text"):
                continue
            value = self.value(name)
            yield value.null_count().alias(f"none {name}")
            yield value.min().alias(f"low {name}")
            yield value.max().alias(f"high {name}")

    def _dated(self, cells: pl.Series) -> pl.Series:
        """Read dates, each text once."""
        name = cells.name
        if cells.dtype != pl.String:
            return cells.to_frame().select(self.value(name)).to_series()
        texts = cells.unique().to_frame()
        values = texts.with_columns(
            parse_text(pl.col(name), self.columns[name]).alias("value")
        )
        frame = cells.to_frame().join(
            values, on=name, how="left", maintain_order="left", nulls_equal=True
        )
        return frame["value"].alias(name)

    def _take(self, figures: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
        """Keep the figures, and name the columns that hold what is none of the kind."""
        row = figures.row(0, named=True)
        odd: list[str] = []
        for name, column in self.columns.items():
            low, high = row.get(f"low {name}"), row.get(f"high {name}")
            n_null = row[f"null {name}"] - self._n_blank
            n_none = row.get(f"none {name}", n_null + self._n_blank) - self._n_blank
            if column.kind in _DATED and name in rows:
                n_none = rows[name].null_count() - self._n_blank
                low, high = rows[name].min(), rows[name].max()
            if n_none > n_null:
                odd.append(name)
            self.seen[name] = Seen(name, column, n_null, 0, low, high)
        return odd

    def _take_again(self, odd: Sequence[str]) -> None:
        """Look at the cells that are none of their kind, and choose a kind that fits.

        Few of them are left to be set aside; blanks are nothing.
        """
        cells = self._cells.select(odd).collect(engine="streaming")
        for name in odd:
            raw = cells.select(self._raw(name)).to_series()
            text = raw.cast(pl.String).str.strip_chars()
            n_blank = int((text.is_null() | (text == "")).sum())
            n_null = n_blank - self._n_blank
            kinds = [self.columns[name]]
            if kinds[0].kind == "integer" and name not in self._given:
                kinds.append(Column(kind="number"))
            found = [self._held(cells, name, kind, n_null) for kind in kinds]
            best = min(found, key=lambda seen: seen.n_bad)
            if not is_few(best.n_bad, self.n_rows) and name not in self._given:
                best = Seen(name, Column(kind="label", null=True), n_null)
            self.seen[name], self.columns[name] = best, best.column

    def _held(
        self, cells: pl.DataFrame, name: str, column: Column, n_null: int
    ) -> Seen:
        """Hold a column's cells to a kind."""
        self.columns[name] = column
        value = cells.select(self.value(name)).to_series()
        n_bad = max(value.null_count() - self._n_blank - n_null, 0)
        return Seen(name, column, n_null, n_bad, value.min(), value.max())


def _hashed(name: str) -> pl.Expr:
    """Hash a column; nothing stays nothing."""
    column = pl.col(name)
    return pl.when(column.is_not_null()).then(column.hash()).alias(name)


def is_few(n: int, n_rows: int) -> bool:
    """Tell whether a run would set so many rows aside, and go on."""
    return n <= min(_MOST_BAD, _MOST_BAD_SHARE * n_rows)


def is_counted(name: str, values: pl.Series) -> bool:
    """Tell whether whole numbers look like years, or are named like periods."""
    values = values.drop_nulls()
    if values.is_empty():
        return False
    is_year = bool(values.is_between(*YEARS).all())
    return is_year or says_time(name)
