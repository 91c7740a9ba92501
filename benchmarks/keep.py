"""Keep the figures of ``just bench``: in files, and in the catalog.

``python -m benchmarks.keep TASK RECORD`` does it, as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from benchmarks.processes import ROOT
from benchmarks.records import FORMAT, BenchmarkRecord
from pipeline.files.checksum import read_sealed, write_sealed
from pipeline.files.state import State
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import open_store

RESULTS = Path(__file__).with_name("results")
"""The newest figures of each task, a file each."""


def keep(task: str, record: BenchmarkRecord, root: Path = ROOT) -> None:
    """Write the newest figures beside the code, and all of them to ``meta.benchmarks``.

    Where there is no run yet, the catalog of the first one shows them.
    """
    file = root / "benchmarks" / RESULTS.name / f"{task}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    folder = State(root).benchmarks
    folder.mkdir(parents=True, exist_ok=True)
    write_sealed(folder / f"{record.measured_at:%Y%m%dT%H%M%SZ}_{task}.json", record)
    rows = [row for kept in records(folder) for row in _rows(kept)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    contribute(open_store(root), {"benchmarks": table})


def records(folder: Path) -> list[BenchmarkRecord]:
    """Read the records of all benchmarks, the oldest first."""
    found = (read_sealed(path, BenchmarkRecord) for path in sorted(folder.glob("*")))
    return [record for record in found if record and record.format == FORMAT]


def _rows(record: BenchmarkRecord) -> list[dict[str, Any]]:
    """Make the rows of ``meta.benchmarks``."""
    rows: list[dict[str, Any]] = []
    for figure in record.figures:
        row = msgspec.structs.asdict(figure)
        for name in ("cpu_s", "wall_s", "peak_mib"):
            spread = row[name]
            row[name] = spread and spread.median
            row[f"{name}_low"] = spread and spread.low
            row[f"{name}_high"] = spread and spread.high
        row |= {
            "measured_at": record.measured_at.replace(tzinfo=None),
            "commit": record.commit,
            "machine": json.dumps(record.machine),
            "versions": json.dumps(record.versions),
        }
        rows.append(row)
    return rows


def read(task: str) -> BenchmarkRecord | None:
    """Read the newest figures of a task."""
    file = RESULTS / f"{task}.json"
    if not file.exists():
        return None
    return msgspec.json.decode(file.read_bytes(), type=BenchmarkRecord)


if __name__ == "__main__":
    keep(sys.argv[1], msgspec.json.decode(sys.argv[2], type=BenchmarkRecord))
