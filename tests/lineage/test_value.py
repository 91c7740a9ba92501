"""How a value depends on a column by way of others."""

import pytest

from pipeline.lineage.value import Value, chain, choose, field_of, strongest

A, B = ("source", "a"), ("source", "b")


def of(kind: str, *refs: tuple[str, str]) -> Value:
    return Value(frozenset((ref, kind) for ref in refs))


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("identity", "identity", "identity"),
        ("transformation", "aggregation", "aggregation"),
        ("aggregation", "identity", "aggregation"),
        ("aggregation", "filter", "filter"),
        ("sort", "join", "sort"),
        ("sort", "unknown", "unknown"),
        ("unknown", "identity", "unknown"),
    ],
)
def test_what_is_unknown_outranks_what_decides_and_that_what_is_made_of(
    outer: str, inner: str, expected: str
) -> None:
    assert chain(outer, inner) == expected


def test_of_the_direct_ways_the_furthest_from_identity_is_left() -> None:
    ways = ("identity", "aggregation", "sort", "unknown")
    found = strongest(frozenset((A, kind) for kind in ways) | {(B, "unknown")})
    assert found == {(A, "aggregation"), (A, "sort"), (B, "unknown")}


def test_a_field_of_a_struct_depends_on_its_own_columns_only() -> None:
    struct = Value(fields={"x": of("identity", A), "y": of("identity", B)})
    assert field_of(struct, "x").total == {(A, "identity")}
    assert field_of(struct, "z").total == {(A, "transformation"), (B, "transformation")}


def test_a_choice_keeps_fields_apart_only_where_all_have_the_same() -> None:
    left = Value(fields={"x": of("identity", A)})
    right = Value(fields={"x": of("identity", B)})
    assert set(choose([left, right], frozenset()).fields or {}) == {"x"}
    assert choose([left, of("identity", B)], frozenset()).fields is None
