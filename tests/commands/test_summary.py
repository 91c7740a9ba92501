import re

import msgspec
import pytest

from pipeline.commands.summary import Failure, Summary, failure_of
from tests.commands.test_cli import README


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "x: is not\nfound: 3\n  y: 5\nhint: take 4",
            Failure("x: is not", ["3", "y: 5"], "take 4"),
        ),
        ("x: is not", Failure("x: is not", [], "")),
        ("", Failure("", [], "")),
        ("a\nb\nhint: c\nd", Failure("a", ["b"], "c\nd")),
    ],
)
def test_an_error_is_told_in_parts(text: str, parts: Failure) -> None:
    assert failure_of(text) == parts


def test_the_readme_names_what_a_summary_has() -> None:
    named = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert named == [field.name for field in msgspec.structs.fields(Summary)]
