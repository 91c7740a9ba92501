"""Sheets of Excel and OpenDocument workbooks."""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median_low
from typing import Annotated, Any

import polars as pl
from msgspec import Meta

from pipeline.errors import SourceError, n_of, nearest
from pipeline.sources.copied import LINE, CopiedSource, Reading, code_of, scan_copies
from pipeline.sources.scan import Scan, Streams, declared_names, match_columns

_MOST_ABOVE = 100
"""Rows in which the header is looked for."""

_ROUNDED = r"^-?(0|[1-9]\d*)(\.\d{0,8}[1-9])?$"
"""How the library writes a number that is not whole: to nine places."""


class ExcelSource(
    CopiedSource, frozen=True, kw_only=True, tag="excel", tag_field="kind"
):
    """Raw rows in a sheet of each of some workbooks: xlsx, xlsm, xlsb, xls or ods."""

    sheet: Annotated[
        Annotated[int, Meta(ge=1)] | Annotated[str, Meta(min_length=1)],
        Meta(description="the name of a sheet, or its number from 1"),
    ] = 1


def scan_excel(
    config: ExcelSource,
    root: Path,
    *,
    streams: Streams = "whole",
) -> Scan:
    """Scan sheets into the declared columns; the header is the first row that has them.

    Blank rows are none, a cell's error (``#DIV/0!``) is text, which is no number. A
    SourceError if there is no such sheet.
    """
    by = ("excel", code_of(__file__), version("fastexcel"), config.sheet)
    reading = Reading(lambda file: _read(file, config).lazy(), by, has_dates=True)
    return scan_copies(config, root, reading, streams)


def names_in(file: Path, config: ExcelSource) -> list[str]:
    """Read the names in a sheet's header, whatever is declared.

    That is the first row with as many cells as most of the first ones have.
    """
    rows = [row[1:] for row in _rows_of(file, config).head(_MOST_ABOVE).iter_rows()]
    widths = [sum(bool((cell or "").strip()) for cell in row) for row in rows]
    usual = median_low(widths)
    header = next(row for row, n in zip(rows, widths, strict=True) if n >= usual)
    return [name or "" for name in header]


def _read(file: Path, config: ExcelSource) -> pl.DataFrame:
    """Read the declared columns of a sheet as text."""
    rows = _rows_of(file, config)
    header, places = _find_header(rows, config, file)
    return rows[header + 1 :].select(
        pl.col(LINE).cast(pl.Int64),
        *(pl.nth(at + 1).alias(name) for name, at in places.items()),
    )


def _rows_of(file: Path, config: ExcelSource) -> pl.DataFrame:
    """Read the rows of a sheet that are not blank, as text, behind their lines."""
    # Imported late: few projects have workbooks.
    fastexcel = import_module("fastexcel")
    try:
        reader = fastexcel.read_excel(file)
        sheet = _sheet_of(reader, config.sheet, file)
        cells = _cells_of(reader, sheet)
    except (fastexcel.FastExcelError, OSError) as error:
        found = str(error).splitlines()[0]
        raise SourceError(
            f"{file}: cannot be read as a workbook\nfound: {found}\n"
            "expected: a whole, readable file of Excel or OpenDocument\n"
            "hint: check its permissions, save it again, or use `kind: csv`"
        ) from error
    is_row = ~pl.all_horizontal(pl.exclude(LINE).str.strip_chars().fill_null("") == "")
    rows = cells.with_row_index(LINE, 1).filter(is_row) if cells.width else cells
    if rows.height < 2:
        others = [name for name in reader.sheet_names if name != sheet]
        hint = f"source.sheet=NAME reads another, of {_listed(others)}"
        hint = hint if others else "write the file again, or remove it"
        what = "holds no rows" if rows.height else "is empty"
        raise SourceError(
            f"{file}: sheet {config.sheet!r} {what}\n"
            f"found: {n_of(rows.height, 'row')}\n"
            "expected: a header and rows below it\n"
            f"hint: {hint}"
        )
    return rows


def _sheet_of(reader: Any, sheet: int | str, file: Path) -> str:
    """Name the sheet that is meant."""
    names: list[str] = reader.sheet_names
    if isinstance(sheet, int) and sheet <= len(names):
        return names[sheet - 1]
    if isinstance(sheet, str) and sheet in names:
        return sheet
    guess = nearest(sheet, names) if isinstance(sheet, str) else ""
    raise SourceError(
        f"{file}: there is no sheet {sheet!r}{guess}\nfound: {_listed(names)}\n"
        "hint: name one of them as source.sheet"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def _cells_of(reader: Any, sheet: str) -> pl.DataFrame:
    """Read all cells as text, from the first row and the first column that is used."""
    texts = reader.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string")
    floats = reader.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="float")
    batch, faults = texts.to_arrow_with_errors()
    numbers: pl.DataFrame = floats.to_polars()
    cells = pl.DataFrame(batch)
    cells = cells.with_columns(
        pl.when(
            numbers[name].is_not_null()
            & (numbers[name] != numbers[name].floor())
            & cells[name].str.contains(_ROUNDED)
        )
        .then(numbers[name].cast(pl.String))
        .otherwise(pl.col(name))
        .alias(name)
        for name in cells.columns
    )
    found: dict[int, dict[int, str]] = {}
    for fault in faults.errors if faults else ():
        row, column = fault.offset_position
        what = fault.detail.rpartition("Error(")[2].partition(")")[0]
        found.setdefault(column, {})[row] = f"#{what}"
    return cells.with_columns(
        cells.to_series(column).scatter(list(faulty), list(faulty.values()))
        for column, faulty in found.items()
    )


def _find_header(
    rows: pl.DataFrame, config: ExcelSource, file: Path
) -> tuple[int, dict[str, int]]:
    """Find the first row that names the declared columns, and where it names each."""
    first = [
        [name or "" for name in row[1:]] for row in rows.head(_MOST_ABOVE).iter_rows()
    ]
    header = next(
        (
            at
            for at, names in enumerate(first)
            if set(config.columns) <= set(declared_names(names, config.rename))
        ),
        0,
    )
    return header, match_columns(first[header], config.columns, config.rename, file)
