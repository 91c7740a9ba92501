"""The kind of each column, told by its first cells."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.config import Tree
from pipeline.errors import SourceError
from pipeline.sources.cells import TEXT, Notation, parse_text
from pipeline.sources.columns import Column, Declared, Kind, column_of
from pipeline.sources.csv import CsvSource
from pipeline.sources.dialect import Dialect
from pipeline.sources.notation import find_notation

_TIME_WORDS = (
    *("year", "yr", "jahr", "quarter", "month", "monat", "week", "woche", "day", "tag"),
    *("date", "datum", "time", "timestamp", "zeit", "period", "hour", "dt", "ds", "t"),
)

YEARS = (1500, 2200)
"""What whole numbers are within that may be years."""

_NOTHING = r"(?i)^(#?n/?a|nan|null|none|nil|-+|\.+|\?)$"
_FLAG = r"(?i)^(true|false|t|f|yes|no|y|n)$"
_WHOLE = r"^[+-]?\d{1,18}$"
_LEADING_ZERO = r"^[+-]?0\d"
_NUMBER = r"^\$?[+-]?[.,]?\d[\d., '\u2019\u00a0\u202f]*([eE][+-]?\d+)?\s*%?$"
_DATED = r"^[\p{L}\d ,.:/+-]*$"
_GROUPED = re.compile(r"^[+-]?[1-9]\d{0,2}([.,])\d{3}(\1\d{3})*$")

_INDEX = ("__index_level_0__", "Unnamed: 0")
"""What pandas calls the numbers of rows, in Parquet and in text."""

_FEW = 10
"""Different numbers that could all be dates by chance."""

_OF_DTYPE: Mapping[type[pl.DataType], Kind] = {
    pl.Boolean: "flag",
    pl.Date: "date",
    pl.Datetime: "datetime",
    pl.Float32: "number",
    pl.Float64: "number",
}


def words_of(name: str) -> list[str]:
    """Cut a name into its words, in lower case."""
    return [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)]


def says_time(name: str) -> bool:
    """Tell whether a name says that it is a time's."""
    return any(word.removesuffix("s") in _TIME_WORDS for word in words_of(name))


@dataclass(frozen=True)
class Kinds:
    """What the columns are, and how their cells are written."""

    columns: dict[str, Column]
    notation: Notation = field(default_factory=Notation)
    settings: Tree = field(default_factory=dict[str, Any])
    """Of the source, as far as they are not found out by every run."""
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """Columns that cannot be read, and why."""

    @property
    def nulls(self) -> list[str]:
        """Texts that are nothing."""
        return self.settings.get("nulls", [])


def _without_nulls(texts: pl.Series, nulls: Iterable[str]) -> pl.Series:
    """Leave out what says that there is nothing."""
    said = texts.is_in(pl.Series([*nulls], dtype=pl.String).implode())
    return texts.filter(~texts.str.contains(_NOTHING) & ~said)


def kinds_of(
    head: pl.DataFrame,
    given: Mapping[str, Declared],
    source: Dialect | None,
    place: str,
    *,
    by_commas: bool,
) -> Kinds:
    """Tell the kind of each column from some first rows, as they stand in the file.

    `given` are the kinds that somebody has said, `source` the settings of a text file.
    All columns may hold nothing, and have no bounds: only all rows tell. A SourceError,
    of the `place`, where cells have two readings.
    """
    columns: dict[str, Column] = {}
    left_out: dict[str, str] = {}
    texts: dict[str, pl.Series] = {}
    for name, dtype in head.schema.items():
        if name in given:
            columns[name] = column_of(given[name])
        elif isinstance(dtype, TEXT):
            texts[name] = _texts(head[name])
        elif kind := _kind_of_values(head[name]):
            columns[name] = kind
        else:
            left_out[name] = f"{dtype} is no kind of column"
    numbers: dict[str, pl.Series] = {}
    nulls: dict[str, None] = dict.fromkeys(source.nulls if source else [])
    for name, cells in texts.items():
        words = cells if source is None else _without_nulls(cells, nulls)
        if words.is_empty():
            left_out[name] = "no value in the first rows"
            continue
        if words.str.contains(_NUMBER).all() and not _is_code(words):
            numbers[name] = words
        else:
            columns[name] = _kind_of_words(name, words, place)
        if name in numbers or columns[name].kind != "label":
            nulls |= dict.fromkeys(cells.filter(~cells.is_in(words.implode())))
    notation, settings = Notation(), dict[str, object]()
    if isinstance(source, CsvSource):
        notation = _notation(numbers, source, place, by_commas=by_commas)
        settings = _settings(notation, numbers, by_commas=by_commas)
        if nulls:
            settings["nulls"] = [*nulls]
    for name, words in numbers.items():
        columns[name] = _number(name, words, notation)
    for name in _indexes(columns, given):
        del columns[name]
        left_out[name] = "the numbers of pandas' rows"
    ordered = {name: columns[name] for name in head.columns if name in columns}
    return Kinds(ordered, notation, settings, left_out)


def _indexes(columns: Mapping[str, Column], given: Mapping[str, Declared]) -> list[str]:
    """Name the columns in which pandas has left the numbers of rows."""
    found = [name for name in _INDEX if name in columns and name not in given]
    return [name for name in found if columns[name].kind == "integer"]


def _kind_of_words(name: str, words: pl.Series, place: str) -> Column:
    """Tell what words are that are no numbers."""
    if words.str.contains(_FLAG).all():
        return Column(kind="flag", null=True)
    return _dated(name, words, place) or Column(kind="label", null=True)


def _kind_of_values(values: pl.Series) -> Column | None:
    """Tell what typed values are."""
    if values.dtype.is_float() and _are_years(values):
        return Column(kind="integer", null=True)
    return kind_of_dtype(values.dtype)


def _texts(column: pl.Series) -> pl.Series:
    """List the cells of a column that are not blank, each once."""
    texts = column.cast(pl.String).str.strip_chars().drop_nulls()
    return texts.filter(texts != "").unique(maintain_order=True)


def kind_of_dtype(dtype: pl.DataType) -> Column | None:
    """Tell what a typed column is."""
    if isinstance(dtype, pl.Decimal):
        return Column(kind="decimal", scale=min(dtype.scale, 18), null=True)
    kind: Kind | None = _OF_DTYPE.get(type(dtype))
    if dtype.is_integer() and not isinstance(dtype, pl.Int128 | pl.UInt64):
        kind = "integer"
    return Column(kind=kind, null=True) if kind else None


def _are_years(values: pl.Series) -> bool:
    """Tell whether floats are years, as of a column that has had gaps."""
    values = values.drop_nulls()
    is_year = (values == values.floor()) & values.is_between(*YEARS)
    return values.len() > 0 and bool(is_year.all())


def _is_code(words: pl.Series) -> bool:
    """Tell whether numbers are names: a leading zero counts, or there are too many."""
    is_whole = words.str.contains(r"^[+-]?\d+$")
    has_zero = words.str.contains(_LEADING_ZERO) & is_whole
    return bool((has_zero | (is_whole & ~words.str.contains(_WHOLE))).any())


def _dated(name: str, words: pl.Series, place: str) -> Column | None:
    """Read all words as dates, or as times; a SourceError if two ways fit."""
    likely = words.str.contains(_DATED) & (words.str.count_matches(r"\d") > 2)
    if not likely.all():
        return None
    for kind in ("date", "datetime"):
        column = Column(kind=kind, null=True)
        try:
            found = find_notation(
                Dialect(columns={name: column}),
                {name: words.to_list()},
                lambda _name, _text: place,
                by_commas=True,
            ).columns[name]
        except SourceError as error:
            said, _, form = str(error).rpartition("\nhint: say which in `columns`: ")
            _, _, form = form.partition(": ")
            raise SourceError(
                f'{said}\nhint: which of them says, behind the file, "columns.{name}='
                f'{form}"'
            ) from error
        if _reads(words, column_of(found), Notation()):
            return column_of(found)
    return None


def _reads(words: pl.Series, column: Column, notation: Notation) -> bool:
    """Tell whether all words are of a kind."""
    value = words.to_frame("w").select(parse_text(pl.col("w"), column, notation))
    return value.to_series().null_count() == 0


def _number(name: str, words: pl.Series, notation: Notation) -> Column:
    """Tell what numbers are; a label if they have no one reading."""
    form = _coded(name, words)
    if form:
        return Column(kind="date", format=form, null=True)
    kinds: list[Kind] = ["integer", "number"]
    if words.str.contains("%").all():
        kinds = ["percent"]
    elif words.str.starts_with("$").all():
        kinds = ["money"]
    for kind in kinds:
        column = Column(kind=kind, null=True)
        if _reads(words, column, notation):
            return column
    return _dated(name, words, name) or Column(kind="label", null=True)


def _coded(name: str, words: pl.Series) -> str | None:
    """Tell how dates are written as whole numbers, 20150131 or 201501."""
    if words.len() < _FEW and not says_time(name):
        return None
    for form, digits in (("%Y%m%d", 8), ("%Y%m", 6)):
        if not words.str.contains(rf"^(19|20)\d{{{digits - 2}}}$").all():
            continue
        if _reads(words, Column(kind="date", format=form), Notation()):
            return form
    return None


def _notation(
    numbers: Mapping[str, pl.Series],
    source: Dialect,
    place: str,
    *,
    by_commas: bool,
) -> Notation:
    """Find out the decimal sign; what may be either is refused, unless groups tell."""
    cells = {name: words.to_list() for name, words in numbers.items()}

    def found(*wholes: str) -> Notation:
        columns: dict[str, Declared] = {
            name: Column(kind="integer" if name in wholes else "number")
            for name in cells
        }
        config = Dialect(
            columns=columns, decimal=source.decimal, grouping=source.grouping
        )
        return find_notation(
            config, cells, lambda _name, _text: place, by_commas=by_commas
        ).notation

    wholes = [name for name, words in cells.items() if _is_grouped(words)]
    try:
        return found()
    except SourceError:
        if not wholes:
            raise
        return found(*wholes)


def _is_grouped(words: list[str]) -> bool:
    """Tell whether a sign plainly groups digits: short numbers have none."""
    signed = [match[1] for word in words if (match := _GROUPED.match(word))]
    short = [word for word in words if re.fullmatch(r"[+-]?\d{1,3}", word)]
    return bool(
        short and len({*signed}) == 1 and len(signed) + len(short) == len(words)
    )


def _settings(
    notation: Notation, numbers: Mapping[str, pl.Series], *, by_commas: bool
) -> Tree:
    """Say of numbers what a file of few rows would not tell."""
    signs = [words.str.contains("[.,]").any() for words in numbers.values()]
    settings: Tree = {}
    if notation.decimal and any(signs) and not (by_commas and notation.decimal == "."):
        settings["decimal"] = notation.decimal
    if notation.grouping in (" ", "'"):
        settings["grouping"] = notation.grouping
    return settings
