"""What a value depends on: columns of a stage's inputs, and in which way."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

DIRECT = ("identity", "transformation", "aggregation")
"""The value is made of the column's: as it is, computed, or from several rows.

A later one outranks an earlier one along a path.
"""

INDIRECT = ("join", "group_by", "filter", "sort", "window", "conditional")
"""The column decides which values are taken, but is not in them."""

UNKNOWN = "unknown"
"""The value may depend on the column, in whatever way, or not."""

KINDS = (*DIRECT, *INDIRECT, UNKNOWN)
"""The ways to depend on a column; but for 'unknown', OpenLineage's subtypes."""

Ref: TypeAlias = tuple[str, str]
"""An input of the stage, and a column of it."""

Deps: TypeAlias = frozenset[tuple[Ref, str]]
"""Columns, and in which way."""

NOTHING: Deps = frozenset()


def chain(outer: str, inner: str) -> str:
    """Tell how a value depends on a column by way of another value.

    Of its own way to that and the inner one: unknown if either is; else the outer one
    if that is indirect, then the inner one if that is; else what outranks the other.
    """
    if UNKNOWN in (outer, inner):
        return UNKNOWN
    if outer in INDIRECT:
        return outer
    return inner if inner in INDIRECT else max(outer, inner, key=DIRECT.index)


def through(kind: str, deps: Deps) -> Deps:
    """Return what a value depends on that depends in this way on one with `deps`."""
    return frozenset((ref, chain(kind, inner)) for ref, inner in deps)


def strongest(deps: Deps) -> Deps:
    """Leave one direct way per column, the furthest from identity, and none unknown."""
    direct: dict[Ref, str] = {}
    for ref, kind in deps:
        if kind in DIRECT:
            direct[ref] = max(direct.get(ref, kind), kind, key=DIRECT.index)
    return frozenset(direct.items()) | {
        (ref, kind)
        for ref, kind in deps
        if kind in INDIRECT or (kind == UNKNOWN and ref not in direct)
    }


@dataclass(frozen=True)
class Value:
    """What a column or an expression depends on."""

    deps: Deps = NOTHING
    """What all of it depends on."""
    fields: Mapping[str, "Value"] | None = None
    """What else each field depends on, of a struct or of the structs in a list; None
    where the fields are not told apart."""
    lengths: Deps | None = None
    """What the lengths of lists depend on; None for all that the value depends on."""

    @property
    def total(self) -> Deps:
        """All that any part of it depends on."""
        inner = self.fields.values() if self.fields else ()
        return self.deps.union(*(field.total for field in inner))

    @property
    def length(self) -> Deps:
        """What the lengths of its lists depend on."""
        return self.total if self.lengths is None else self.lengths


def combine(values: Iterable[Value], kind: str) -> Value:
    """Make one value of several, whose fields are no longer told apart."""
    return Value(NOTHING.union(*(through(kind, value.total) for value in values)))


def aggregate(value: Value, lengths: Deps | None) -> Value:
    """Gather a group's values in a list, and the values of each field likewise."""
    fields = value.fields and {
        name: aggregate(field, field.lengths) for name, field in value.fields.items()
    }
    return Value(through("aggregation", value.deps), fields, lengths)


def choose(values: Iterable[Value], by: Deps) -> Value:
    """Take one value or another, and its fields, as other columns decide."""
    some = [value for value in values if value.total]
    deps = by.union(*(through("transformation", value.deps) for value in some))
    names = [list(value.fields) for value in some if value.fields is not None]
    if not names or len(names) < len(some) or any(name != names[0] for name in names):
        return Value(deps.union(*(through("transformation", v.total) for v in some)))
    fields = {
        name: choose([v.fields[name] for v in some if v.fields], NOTHING)
        for name in names[0]
    }
    return Value(deps, fields, by.union(*(value.length for value in some)))


def field_of(value: Value, name: str) -> Value:
    """Take a field of a struct."""
    if value.fields is None or name not in value.fields:
        return combine([value], "transformation")
    field = value.fields[name]
    deps = through("transformation", value.deps) | field.deps
    return Value(deps, field.fields, field.lengths)
