"""A contract is read from a file of configuration."""

import math

import pytest

from pipeline.config import Layer, check
from pipeline.contracts.contract import Contract

NAN = math.nan


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"rows": {"exact": 1, "min": 1}}, "expected exact, or min and max"),
        ({"rows": {"min": 2, "max": 1}}, "expected min <= max, found 2 > 1"),
        ({"rows": {"change": -0.1}}, "expected float >= 0.0, found -0.1"),
        ({"ranges": {"n": {}}}, "expected min, max or both"),
        ({"ranges": {"n": {"min": 2, "max": 1}}}, "expected min <= max"),
        ({"ranges": {"n": {"max": NAN}}}, "expected min <= max"),
        ({"values": {"n": []}}, "length >= 1"),
        ({"not_nul": ["n"]}, "did you mean 'not_null'?"),
        ({"columns": {"n": 16}}, "found 16"),
    ],
    ids=str,
)
def test_contradictions_are_refused_as_the_configuration_is_read(
    fields: dict[str, object], text: str
) -> None:
    value, found = check(fields, Contract, "checks.wards", [Layer("x.yaml", {})])
    assert value is None
    assert text in " ".join(map(str, found))
