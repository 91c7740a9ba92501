"""The whole run without the pipeline: the same expressions, a sink per snapshot.

``python -m benchmarks.bare write CSV FOLDER`` keeps the plan of each snapshot, read
with a plain ``pl.scan_csv``, as a file. ``python -m benchmarks.bare run FOLDER OUT`` is
the script that is timed: it loads those plans, sinks them in one pass, and knows
nothing of configurations, checks, bad rows, row counts or catalogs.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["POLARS_ALLOW_NESTED_CSPE"] = "1"

import polars as pl

from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from pipeline.plan.settings import Settings


def frames(csv: Path, settings: "Settings") -> dict[str, pl.LazyFrame]:
    """Return each snapshot's plan, on a source without any check."""
    from pipeline.engine.one_pass import snapshot_frames
    from pipeline.plan.compose import compose
    from pipeline.sources import declared

    schema = declared(settings.source, settings.root).collect_schema()
    rows = pl.scan_csv(csv.absolute(), schema=schema)
    return snapshot_frames(compose(rows, settings.stages))


def write_plans(csv: Path, folder: Path) -> None:
    """Keep the plans of the snapshots."""
    from pipeline.plan.settings import load_settings

    folder.mkdir(parents=True, exist_ok=True)
    for name, lf in frames(csv, load_settings(ROOT)).items():
        lf.serialize(folder / f"{name}.plan")


def run_plans(folder: Path, out: Path) -> None:
    """Compute all snapshots in one pass."""
    out.mkdir(parents=True, exist_ok=True)
    sinks = [
        pl.LazyFrame.deserialize(plan).sink_parquet(
            out / f"{plan.stem}.parquet",
            lazy=True,
            compression="lz4",
        )
        for plan in sorted(folder.glob("*.plan"))
    ]
    pl.collect_all(sinks, engine="streaming")


if __name__ == "__main__":
    action, *paths = sys.argv[1:]
    if action == "write":
        write_plans(*map(Path, paths))
    else:
        run_plans(*map(Path, paths))
