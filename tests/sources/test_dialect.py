"""What may be said of how a CSV file is written."""

from typing import Any

import msgspec
import pytest

from pipeline.config import Layer, check
from pipeline.sources.dialect import Dialect, Written


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"encoding": "utf-9"}, "such as utf-8 or windows-1252, found 'utf-9'"),
        ({"encoding": "hex"}, "expected encoding to be that of a text"),
        ({"separator": ";;"}, "source.separator: expected one sign of ASCII"),
        ({"separator": "§"}, "source.separator: expected one sign of ASCII"),
        ({"quote": "`"}, "source.quote: expected one of \", ', none"),
        ({"decimal": ";"}, "source.decimal: expected one of ., ,"),
        ({"decimal": ",", "grouping": ","}, "grouping to be another sign than decimal"),
        ({"separator": "#", "comment": "#"}, "separator, quote and comment to differ"),
        ({"skip_lines": -1}, "source.skip_lines: expected int >= 0"),
        ({"nulls": "NA"}, "source.nulls: expected array, found 'NA'"),
    ],
    ids=str,
)
def test_dialect_that_cannot_be_is_refused(given: dict[str, Any], mistake: str) -> None:
    layers = [Layer("configs/sources/csv.yaml", {"source": given})]
    _, [found] = check({"columns": {}, **given}, Dialect, "source", layers)
    assert mistake in str(found).replace("`", "")


@pytest.mark.parametrize(
    ("written", "is_plain"),
    [
        (Written(), True),
        (Written("UTF8", ";", None), True),
        (Written("windows-1252"), False),
        (Written("utf-16"), False),
        (Written(comment="#"), False),
        (Written(skip_footer=1), False),
    ],
    ids=str,
)
def test_only_what_polars_cannot_read_is_no_plain_file(
    written: Written, is_plain: bool
) -> None:
    assert written.is_plain == is_plain


def test_nothing_is_said_where_nothing_needs_to_be() -> None:
    config = msgspec.convert({"columns": {"A": "count"}}, Dialect)
    assert (config.separator, config.decimal, config.header) == (None, None, True)
