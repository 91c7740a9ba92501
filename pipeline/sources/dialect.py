"""How a CSV file is written: what may be said of it, and what was found out."""

import codecs
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from pipeline.sources.cells import Grouping, Mark
from pipeline.sources.columns import DeclaredColumns

Letter: TypeAlias = Annotated[
    str,
    Meta(pattern=r"\A[\t\x20-\x7e]\Z", description="one sign of ASCII, or null"),
]


SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
"""What is found out to separate fields."""


class Dialect(DeclaredColumns, frozen=True, kw_only=True):
    """What a source may say of how its CSV files are written; null is found out."""

    encoding: str | None = None
    separator: Letter | None = None
    quote: Literal['"', "'", "none"] | None = None
    comment: Letter | None = None
    """What lines begin with that are none of the table."""
    header: bool = True
    """False: the fields are the declared columns, in their order."""
    skip_lines: Annotated[int, Meta(ge=0)] | None = None
    """Lines above the header."""
    skip_footer: Annotated[int, Meta(ge=0)] = 0
    """Lines below the last row, such as totals; blank ones do not count."""
    decimal: Mark | None = None
    grouping: Grouping | None = None
    nulls: list[str] = field(default_factory=list[str])
    """Texts that are nothing, in columns that may hold nothing."""

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        super().__post_init__()
        if self.encoding is not None:
            _refuse_unknown(self.encoding)
        if self.grouping is not None and self.grouping == self.decimal:
            raise ValueError(
                "expected grouping to be another sign than decimal, found"
                f" {self.grouping!r} twice"
            )
        marks = [self.separator, self.quote, self.comment]
        given = [mark for mark in marks if mark not in (None, "none")]
        if len(set(given)) < len(given):
            raise ValueError(
                "expected separator, quote and comment to differ, found"
                f" {', '.join(map(repr, given))}"
            )


def _refuse_unknown(encoding: str) -> None:
    """Refuse what is no encoding of text."""
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
    except LookupError:
        is_text = False
    if not is_text:
        raise ValueError(
            "expected encoding to be that of a text, such as utf-8 or windows-1252,"
            f" found {encoding!r}"
        )


@dataclass(frozen=True)
class Written:
    """How one file is written."""

    encoding: str = "utf-8"
    separator: str = ","
    quote: str | None = '"'
    comment: str | None = None
    skip_footer: int = 0
    above: int = 0
    """Lines above the header that have quotes, and are no fields."""

    @property
    def is_plain(self) -> bool:
        """Whether Polars can read the file as it lies there."""
        is_utf8 = codecs.lookup(self.encoding).name == "utf-8"
        is_cut = self.comment is not None or self.skip_footer or self.above
        return is_utf8 and not is_cut

    def said(self) -> list[str]:
        """Say what is not as in most files."""
        separators = SEPARATORS.get(self.separator, repr(self.separator))
        return [
            *([self.encoding] if self.encoding != "utf-8" else []),
            *([separators] if self.separator != "," else []),
            *([f"quotes {self.quote or 'as letters'}"] if self.quote != '"' else []),
            *([f"comments {self.comment}"] if self.comment else []),
        ]
