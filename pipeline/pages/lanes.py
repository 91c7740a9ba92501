"""A graph as a list: a row for each box, arrows in lanes beside the rows.

Rows stand in the order of the data, so it is as high as it is long, and as wide as a
text and few lanes, on any screen.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Row(Generic[Key]):
    """Where a box stands, and what is drawn beside it."""

    key: Key
    lane: int
    comes: tuple[int, ...]
    """The lanes of its inputs, of which an arrow comes in."""
    passes: tuple[int, ...]
    """Lanes that go by."""
    goes: bool
    """Whether something below is made of it."""


@dataclass(frozen=True)
class Lanes(Generic[Key]):
    """A graph in rows."""

    rows: Sequence[Row[Key]]
    n_lanes: int

    @property
    def step(self) -> int:
        """From one lane to the next, in pixels: many stand closer together."""
        return 16 if self.n_lanes <= 6 else max(3, 96 // self.n_lanes)


def lay_out(inputs: Mapping[Key, Iterable[Key]]) -> Lanes[Key]:
    """Give each box a lane; the boxes stand inputs first, and others are left out."""
    keys = [*inputs]
    parents = {
        key: [p for p in dict.fromkeys(inputs[key]) if p in inputs] for key in keys
    }
    last = {p: i for i, key in enumerate(keys) for p in parents[key]}
    taken: dict[int, Key] = {}
    rows: list[Row[Key]] = []
    for i, key in enumerate(keys):
        lane_of = {box: lane for lane, box in taken.items()}
        comes = sorted(lane_of[p] for p in parents[key])
        ended = sorted(lane_of[p] for p in parents[key] if last[p] == i)
        for lane in ended:
            del taken[lane]
        lane = ended[0] if ended else _free(taken)
        goes = key in last
        rows.append(Row(key, lane, tuple(comes), tuple(sorted(taken)), goes))
        if goes:
            taken[lane] = key
    n_lanes = max(
        (lane + 1 for row in rows for lane in (row.lane, *row.passes)), default=0
    )
    return Lanes(rows, n_lanes)


def depth_first(inputs: Mapping[Key, Iterable[Key]]) -> dict[Key, Iterable[Key]]:
    """Put what is made of a box next behind it, as far as its inputs stand before it.

    A graph that fans out then needs few lanes.
    """
    users: dict[Key, list[Key]] = {key: [] for key in inputs}
    missing: dict[Key, int] = {}
    for key, given in inputs.items():
        parents = {parent for parent in given if parent in inputs}
        missing[key] = len(parents)
        for parent in parents:
            users[parent].append(key)
    waiting = [key for key in [*inputs][::-1] if not missing[key]]
    ordered: dict[Key, Iterable[Key]] = {}
    while waiting:
        key = waiting.pop()
        ordered[key] = inputs[key]
        for user in reversed(users[key]):
            missing[user] -= 1
            if not missing[user]:
                waiting.append(user)
    return ordered


def _free(taken: Mapping[int, object]) -> int:
    """Find the first lane that nothing is in."""
    return next(lane for lane in range(len(taken) + 1) if lane not in taken)
