"""What is published of models and of speed, to stand beside what changes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import Store

_NOTABLY = 1.1
"""Times what was accepted, from which a figure is said to be slower."""

_MODELS = """
SELECT model, version, 'champion' IN aliases, metric, coalesce(m.unit, ''),
    value, lower, upper, features = $features
FROM meta.models AS m LEFT JOIN (
    FROM meta.evaluations WHERE slice_by = 'all'
) AS e USING (fingerprint, model, metric)
WHERE 'champion' IN aliases OR features = $features
ORDER BY features = $features, created_at
"""

_MEASURED = """
SELECT machine, task, contender, 1 / cpu_x FROM meta.benchmarks
WHERE measured_at = (SELECT max(measured_at) FROM meta.benchmarks) AND cpu_x > 0
"""

_HAS_BENCHMARKS = """
SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'meta'
AND table_name = 'benchmarks'
"""


@dataclass(frozen=True)
class Judged:
    """A model, as it is judged."""

    model: str
    version: int | None
    """Of its registered name; None of one that was not promoted."""
    is_champion: bool
    metric: str
    unit: str
    value: float | None
    lower: float | None
    upper: float | None
    is_of_these: bool
    """Whether it learned from the features as they come out now."""


@dataclass(frozen=True)
class Speed:
    """A figure of the newest benchmark, as a ratio to a reference."""

    name: str
    reference: str
    accepted: float
    measured: float

    @property
    def is_slower(self) -> bool:
        """Whether it is notably more than what was accepted."""
        return self.measured > _NOTABLY * self.accepted


def judged(store: Store, features: str) -> list[Judged]:
    """List the champions, and the models that learned from features of a fingerprint.

    There must be a run.
    """
    with connect(store) as con:
        rows = con.execute(_MODELS, {"features": features}).fetchall()
    return [Judged(*row) for row in rows]


def speed(store: Store) -> list[Speed]:
    """Hold the newest benchmark to what was accepted on its processor.

    Nothing where there are no benchmarks; there must be a run.
    """
    with connect(store) as con:
        [(n,)] = con.execute(_HAS_BENCHMARKS).fetchall()
        rows = con.execute(_MEASURED).fetchall() if n else []
    return list(_held(rows, store.root / "benchmarks" / "accepted.json"))


def _held(rows: list[tuple[Any, ...]], accepted: Path) -> Iterator[Speed]:
    """Find what was accepted of figures."""
    if not rows or not accepted.is_file():
        return
    processors = json.loads(accepted.read_bytes())["processors"]
    for machine, task, contender, ratio in rows:
        of = processors.get(json.loads(machine).get("processor"), {"ratios": {}})
        name = task.rpartition(": ")[2]
        expected = of["ratios"].get(name, {}).get(contender)
        if expected is not None:
            yield Speed(name, contender, expected, ratio)
