"""The page of speed: what runs took, and the benchmarks with what was accepted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipeline.pages import charts
from pipeline.pages.charts import Bar, Line
from pipeline.pages.facts import Facts
from pipeline.pages.names import SPEED
from pipeline.pages.site import Found, Page

_COMMITTED = "benchmarks/results/*.json"
"""The newest figures of each task: they are in a clone, whose catalog has none yet."""

_ACCEPTED = "accepted.json"

_Record = TypeVar("_Record")


class _Spread(msgspec.Struct, frozen=True):
    """Median, least and largest of some runs."""

    median: float
    low: float
    high: float


class _Figure(msgspec.Struct, frozen=True):
    """What one contender took for one task."""

    task: str
    contender: str
    n_rows: int
    cpu_s: _Spread | None = None
    peak_mib: _Spread | None = None


class _Committed(msgspec.Struct, frozen=True):
    """What ``just bench`` has left beside the code."""

    measured_at: datetime
    commit: str
    machine: dict[str, Any]
    figures: list[_Figure]


class _Processor(msgspec.Struct, frozen=True):
    """What was accepted on a processor: of each figure, its ratio to references."""

    ratios: dict[str, dict[str, float]]


class _Accepted(msgspec.Struct, frozen=True):
    """What ``just bench-check`` holds its figures against."""

    history: list[dict[str, str]]
    processors: dict[str, _Processor]


@dataclass(frozen=True)
class Measured:
    """A contender's figures of a task at one time."""

    at: datetime
    commit: str
    machine: str
    task: str
    contender: str
    n_rows: int
    cpu_s: float | None
    cpu_s_low: float | None
    cpu_s_high: float | None
    peak_mib: float | None


@dataclass(frozen=True)
class Row:
    """A contender of a task, as the newest benchmark has it, and over all of them."""

    figure: Measured
    bar: Bar | None
    history: Line | None
    """Its CPU seconds, where it was measured more than once."""


@dataclass(frozen=True)
class Task:
    """What contenders did with so many rows."""

    name: str
    n_rows: int
    at: datetime
    commit: str
    machine: str
    rows: Sequence[Row]

    @property
    def has_history(self) -> bool:
        """Whether some of it was measured more than once."""
        return any(row.history for row in self.rows)


@dataclass(frozen=True)
class Held:
    """A figure that no change may make much worse: its ratio to a reference."""

    name: str
    """Of the figure."""
    reference: str
    accepted: Mapping[str, float]
    """By processor."""
    measured: str
    """What the newest benchmark that had both says."""
    history: Line | None
    """The ratio as benchmarks measured it, beside what is accepted."""


def speed(facts: Facts) -> Iterator[Page]:
    """Make the page."""
    measured, faults = _measured(facts)
    accepted, fault = _read(facts.root, Path("benchmarks", _ACCEPTED), _Accepted)
    runs = [
        (run, facts.peak_mib(run), [s.state for s in run.snapshots])
        for run in reversed(facts.runs)
    ]
    oldest_first = runs[::-1]
    alone = [*facts.stage_times.values()]
    drawn = charts.bars([(row["cpu_s"], None, None) for row in alone])
    values = {
        "runs": [
            (run, peak, {state: states.count(state) for state in dict.fromkeys(states)})
            for run, peak, states in runs
        ],
        "seconds": charts.line([(r.run_id, r.total_s) for r, _, _ in oldest_first]),
        "memory": charts.line([(r.run_id, peak) for r, peak, _ in oldest_first]),
        "stages": list(zip(alone, drawn, strict=True)),
        "tasks": list(_tasks(measured)),
        "held": list(_held(accepted, measured)) if accepted else [],
        "processors": list(accepted.processors) if accepted else [],
        "history": accepted.history[::-1] if accepted else [],
        "faults": [text for text in (*faults, fault) if text],
    }
    yield Page(SPEED, "Speed", "speed", values, [Found("page", "Speed")])


def _measured(facts: Facts) -> tuple[list[Measured], list[str]]:
    """List what benchmarks measured, the oldest first, and what cannot be read."""
    found = [
        Measured(
            row["measured_at"],
            row["commit"],
            _machine(json.loads(row["machine"])),
            row["task"],
            row["contender"],
            row["n_rows"],
            row["cpu_s"],
            row["cpu_s_low"],
            row["cpu_s_high"],
            row["peak_mib"],
        )
        for row in facts.meta("benchmarks")
    ]
    faults: list[str] = []
    for path in sorted(facts.root.glob(_COMMITTED)):
        record, fault = _read(facts.root, path.relative_to(facts.root), _Committed)
        faults.append(fault)
        found += _rows(record) if record else []
    found.sort(key=lambda m: (m.at, m.task, m.n_rows))
    # The newest stand in the catalog and in the file beside the code.
    of = {(m.at, m.task, m.contender, m.n_rows): m for m in found}
    return [*of.values()], faults


def _rows(record: _Committed) -> Iterator[Measured]:
    """Make what the catalog would have of figures that are committed."""
    at = record.measured_at.replace(tzinfo=None)
    for figure in record.figures:
        cpu, memory = figure.cpu_s, figure.peak_mib
        yield Measured(
            at,
            record.commit,
            _machine(record.machine),
            figure.task,
            figure.contender,
            figure.n_rows,
            cpu and cpu.median,
            cpu and cpu.low,
            cpu and cpu.high,
            memory and memory.median,
        )


def _machine(machine: Mapping[str, Any]) -> str:
    """Name a machine by its processor."""
    return f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"


def _read(root: Path, file: Path, type_: type[_Record]) -> tuple[_Record | None, str]:
    """Read a file of the project, if it is there; else say what is wrong with it."""
    try:
        return msgspec.json.decode((root / file).read_bytes(), type=type_), ""
    except FileNotFoundError:
        return None, ""
    except (OSError, msgspec.MsgspecError) as error:
        return None, f"{file.as_posix()}: cannot be read: {error}"


def _tasks(measured: Sequence[Measured]) -> Iterator[Task]:
    """Group the newest figures by task and rows; contenders stand as they were run."""
    by: dict[tuple[str, int], dict[str, list[Measured]]] = {}
    for m in measured:
        by.setdefault((m.task, m.n_rows), {}).setdefault(m.contender, []).append(m)
    for (task, n_rows), contenders in by.items():
        newest = [ms[-1] for ms in contenders.values()]
        bars = charts.bars([(m.cpu_s, m.cpu_s_low, m.cpu_s_high) for m in newest])
        rows = [
            Row(
                m,
                bar,
                charts.line([(f"{old.at:%d %b %Y}", old.cpu_s) for old in ms])
                if len(ms) > 1
                else None,
            )
            for m, bar, ms in zip(newest, bars, contenders.values(), strict=True)
        ]
        last = max(newest, key=lambda m: m.at)
        yield Task(task, n_rows, last.at, last.commit, last.machine, rows)


def _held(accepted: _Accepted, measured: Sequence[Measured]) -> Iterator[Held]:
    """List the accepted ratios by figure and reference, and what was measured of them.

    A benchmark measured one where it had a task of the figure's name, whose first
    contender is ours.
    """
    names = {
        (name, reference): None
        for processor in accepted.processors.values()
        for name, of in processor.ratios.items()
        for reference in of
    }
    for name, reference in names:
        on = {
            processor: figures.ratios[name][reference]
            for processor, figures in accepted.processors.items()
            if reference in figures.ratios.get(name, {})
        }
        ratios = list(_ratios(name, reference, measured))
        drawn = charts.line(ratios, reference=[*on.values()][-1])
        last = f"{ratios[-1][1]:.3g} on {ratios[-1][0]}" if ratios else ""
        yield Held(name, reference, on, last, drawn if len(ratios) > 1 else None)


def _ratios(
    name: str, reference: str, measured: Sequence[Measured]
) -> Iterator[tuple[str, float]]:
    """Yield what was measured of a figure over a reference, the oldest first."""
    firsts: dict[tuple[datetime, str, int], Measured] = {}
    for m in measured:
        if m.task.rpartition(": ")[2] == name:
            first = firsts.setdefault((m.at, m.task, m.n_rows), m)
            if m.contender == reference and m.cpu_s and first.cpu_s:
                yield f"{m.at:%d %b %Y}", first.cpu_s / m.cpu_s
