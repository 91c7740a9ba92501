"""What is timed: CSV to features as a frame, by each contender, in a fresh process.

The floor makes no features: whatever is computed, Polars has to read the numbers and to
bring the rows of each group together.

``python -m benchmarks.contenders NAME CSV [OUT]`` runs one and prints its CPU and wall
seconds as JSON. The clock starts after the imports; a cold start is timed by the whole
command instead. OUT receives the features as Parquet, after the clock has stopped.
"""

import dataclasses
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from benchmarks.bare import frames
from benchmarks.processes import ROOT
from benchmarks.semantics import DEFAULT

NONE_RARE = dataclasses.replace(DEFAULT, min_discharges=0)
MODULES = {
    "pandas_vectorised": "benchmarks.pandas_vectorised",
    "numpy_packed": "benchmarks.numpy_packed",
    "duckdb_sql": "benchmarks.duckdb_features",
    "pandas_origin": "benchmarks.pandas_origin",
}


def load(name: str) -> Callable[[Path], Any]:
    """Import what a contender needs, and return its function from CSV to features."""
    if name in ("pipeline", "bare_polars"):
        return _load_polars(name)
    if name == "floor":
        from benchmarks.limits import of_file

        grouped = "and grouped, a list each"
        return lambda csv: of_file(csv)[grouped].collect(engine="streaming")
    module = importlib.import_module(MODULES[name])
    # The origin's way is timed on a few facilities, where every DRG would seem rare.
    semantics = NONE_RARE if name == "pandas_origin" else DEFAULT
    return lambda csv: module.features(module.read_raw(csv), semantics)


def _load_polars(name: str) -> Callable[[Path], pl.DataFrame]:
    """Import the pipeline and read its configuration; composing the plan is timed."""
    from pipeline import sources
    from pipeline.engine.one_pass import snapshot_frames
    from pipeline.plan.compose import compose
    from pipeline.plan.settings import load_settings

    settings = load_settings(ROOT, overrides=("source=csv",))

    def run(csv: Path) -> pl.DataFrame:
        source = msgspec.structs.replace(settings.source, path=str(csv.absolute()))
        rows, _ = sources.scan(source, ROOT).frames()
        plan = compose(rows, settings.stages)
        return snapshot_frames(plan)["features"].collect(engine="streaming")

    def run_bare(csv: Path) -> pl.DataFrame:
        return frames(csv, settings)["features"].collect(engine="streaming")

    return run if name == "pipeline" else run_bare


def main() -> None:
    """Time one contender once."""
    name, csv, *out = sys.argv[1:]
    run = load(name)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    features = run(Path(csv))
    figures = {
        "cpu_s": time.process_time() - cpu_s,
        "wall_s": time.perf_counter() - wall_s,
    }
    if out:
        pl.DataFrame(features).write_parquet(out[0])
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
