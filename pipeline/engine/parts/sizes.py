"""How many parts the rows are split into, and where one ends."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.engine.parts.declared import is_row_wise
from pipeline.errors import ConfigError
from pipeline.files.folder import Folder
from pipeline.panel.keys import WORKING
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, EngineSettings

MIB, GIB = 1 << 20, 1 << 30
_UNITS = {"MiB": MIB, "GiB": GIB}

# As measured: the highest RssAnon of runs over 10.8 million rows of 192 bytes, on two
# cores, was 632 MiB in 43 parts, 599 in 32, 679 in 16, 938 in 6 and 5,054 in one pass;
# over 1.1 million rows in one pass 766. It is no straight line, as the allocator keeps
# what was freed for a while: the more, the shorter a part takes. This one lies above
# all of them. What takes the same in any number of parts, reading (350 MiB) and putting
# snapshots together (430), lies below the base.
_BASE = GIB // 2
"""Bytes that a run takes beside the rows of a part: code, batches, buffers of files."""

_COPIES = 4
"""Times its rows that a pass holds: as read, sorted, grouped, written, and freed."""

_SMALL, _N_SMALL = 8 * MIB, 16
"""Bytes of rows that are worth a part of their own, and how many may have fewer."""

_VALUES = "values.arrow"

_N, _PART = f"{WORKING}n", f"{WORKING}part"

MOST = f"{WORKING}most"
"""The column of how many rows of a value there are in one frame."""


def memory_of(engine: EngineSettings) -> int:
    """Read how many bytes a run may take: by default two thirds of what there is.

    That is what the machine has, or the container or group of processes this runs in.
    """
    if engine.memory is not None:
        return int(float(engine.memory[:-3]) * _UNITS[engine.memory[-3:]])
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    own = Path("/proc/self/cgroup")
    groups = own.read_text() if own.is_file() else ""
    return min([total, *cgroup_limits(groups, Path("/sys/fs/cgroup"))]) * 2 // 3


def shown_size(n_bytes: int) -> str:
    """Write bytes in MiB below one GiB, else in GiB with two digits; rounded up."""
    if n_bytes < GIB:
        return f"{math.ceil(n_bytes / MIB)} MiB"
    return f"{math.ceil(100 * n_bytes / GIB) / 100:g} GiB"


def fits(
    engine: EngineSettings, plan: Plan, given: Iterable[str], n_rows: float
) -> bool:
    """Tell whether a plan can go over so many rows in one pass, however it begins.

    `given` is what it starts at; `n_rows`, of these together, may be infinite.
    """
    return n_rows * row_bytes(plan, given) * _COPIES <= memory_of(engine) - _BASE


def choose_n_parts(
    engine: EngineSettings, plan: Plan, given: Iterable[str], n_rows: float
) -> int:
    """Decide into how many parts to split the rows: as few as the memory allows."""
    room = max(memory_of(engine) - _BASE, 1)
    return max(math.ceil(n_rows * row_bytes(plan, given) * _COPIES / room), 1)


def worth_it(n_parts: int, n_rows: int, width: int) -> int:
    """Take no more parts than are worth it, of so many as are asked for.

    A part takes a tenth of a second to plan, however few its rows. A few are always
    made: who asks for some of little data wants to see what they give.
    """
    return min(n_parts, max(n_rows * width // _SMALL, _N_SMALL))


def row_bytes(plan: Plan, given: Iterable[str] = (SOURCE,)) -> int:
    """Say how many bytes a row takes where it has most columns.

    Stages behind one that groups have fewer rows, so of a run that reads the source
    only those before it count. A run that starts behind may go on with all its rows,
    so that all count.
    """
    counted = {*given}
    for name, node in plan.nodes.items():
        inputs = {*node.stage.inputs}
        if SOURCE in given:
            is_counted = counted >= inputs and is_row_wise(node.stage)
        else:
            is_counted = bool(counted & inputs)
        if is_counted:
            counted.add(name)
    return max(sum(map(_width, plan.schema(name).values())) for name in counted)


def values_of(
    frames: Iterable[pl.LazyFrame], column: str, folder: Folder
) -> pl.DataFrame:
    """Count the rows of each value of a column, once: they are kept in a folder.

    A row has the value, ascending, a null first; its rows in all frames, which tell how
    much work it is; and in the frame that has most.
    """
    found = folder.read(_VALUES)
    if found is not None:
        return pl.read_ipc(found)
    counted = [lf.group_by(column).agg(pl.len().alias(_N)) for lf in frames]
    total = (
        pl.concat(counted)
        .group_by(column)
        .agg(pl.col(_N).sum().cast(pl.Int64), pl.col(_N).max().alias(MOST))
    )
    values = total.sort(column).collect(engine="streaming")
    content = io.BytesIO()
    values.write_ipc(content)
    folder.write(content.getvalue(), _VALUES)
    return values


def bounds_of(values: pl.DataFrame, n_parts: int) -> tuple[Any, ...]:
    """Cut the values of a column into ranges that hold about as many rows each.

    They are fewer than asked for where a single value has more rows than a part should.
    Returns the least value of each range but the first.
    """
    column = values.columns[0]
    total = max(int(values[_N].sum()), 1)
    # By its middle row, a value of more rows than two parts is alone in one.
    middle = 2 * pl.col(_N).cum_sum() - pl.col(_N)
    starts = (
        values.with_columns((middle * n_parts // (2 * total)).alias(_PART))
        .filter(pl.col(_PART) > pl.col(_PART).first())
        .group_by(_PART)
        .agg(pl.col(column).min())
        .sort(_PART)
    )
    return tuple(starts[column])


def refuse_too_large(values: pl.DataFrame, width: int, memory: int) -> None:
    """Refuse a value of which one part alone would not fit in memory."""
    if not values.height:
        return
    value, _, n_rows = values.sort(MOST).row(-1)
    in_rows = n_rows * width * _COPIES
    needed = shown_size(_BASE + in_rows)
    if _BASE + in_rows > memory:
        raise ConfigError(
            f"engine.memory: {shown_size(memory)} are too little for one part\n"
            f"found: {values.columns[0]} {value!r} has {n_rows:,} rows, which must stay"
            f" together and take about {shown_size(in_rows)}, beside"
            f" {shown_size(_BASE)} that any part takes\n"
            f"hint: set engine.memory={needed.replace(' ', '')} or more, on a machine"
            " that has it"
        )


def _width(dtype: pl.DataType) -> int:
    """Bytes of a value, about."""
    return 8 if dtype.is_numeric() or dtype.is_temporal() else 24


def cgroup_limits(groups: str, mounted: Path) -> Iterator[int]:
    """Yield the limits of memory of the control groups that a process is in.

    Each group is held to the limits of those around it, too. In a container, the
    group's own path is one of the machine outside, and what is mounted is the group.
    `groups` is what ``/proc/self/cgroup`` says: a line per hierarchy.
    """
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(base):
                try:
                    yield int((folder / name).read_text())
                except (OSError, ValueError):  # not there, or "max"
                    continue
