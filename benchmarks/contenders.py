"""What is timed: CSV to features as a frame, by each contender, in a fresh process.

``python -m benchmarks.contenders NAME CSV [OUT]`` runs one and prints its CPU and wall
seconds as JSON. The clock starts after the imports; a cold start is timed by the whole
command instead. OUT receives the features as Parquet, after the clock has stopped.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.semantics import DEFAULT

ROOT = Path(__file__).parents[1]


def pipeline_features(csv: Path) -> Any:
    """Run the plan of the configuration up to the features."""
    from pipeline import engine, sources
    from pipeline.plan import compose
    from pipeline.settings import load_settings

    overrides = ("source=csv", f"source.path={csv.absolute()}")
    settings = load_settings(ROOT, overrides=overrides)
    plan = compose(sources.scan(settings.source, ROOT).rows, settings.stages)
    return engine.collect(plan, "features")


def _module(name: str) -> Callable[[Path], Any]:
    """Run the features of a module of this folder."""

    def features(csv: Path) -> Any:
        module = importlib.import_module(f"benchmarks.{name}")
        return module.features(module.read_raw(csv), DEFAULT)

    return features


CONTENDERS: dict[str, Callable[[Path], Any]] = {
    "pipeline": pipeline_features,
    "pandas_vectorised": _module("pandas_vectorised"),
    "numpy_packed": _module("numpy_packed"),
    "duckdb_sql": _module("duckdb_features"),
    "pandas_origin": _module("pandas_origin"),
}


def _cpu_s() -> float:
    """CPU seconds of this process, in user and system mode."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Time one contender once."""
    name, csv, *out = sys.argv[1:]
    run = CONTENDERS[name]
    cpu_s, wall_s = _cpu_s(), time.perf_counter()
    features = run(Path(csv))
    figures = {"cpu_s": _cpu_s() - cpu_s, "wall_s": time.perf_counter() - wall_s}
    if out:
        pl.DataFrame(features).write_parquet(out[0])
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
