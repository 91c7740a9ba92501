"""``just bench days`` times a panel of days against what one writes in Polars by hand.

A million rows of some units by day, from a CSV file to features: calendar, lags,
windows of a week and four, changes, the mean of all the past. Every unit has every day,
or else what is written by hand is wrong: its windows count rows. Both are compared
before they are timed, in processes of their own, one after the other.

``python -m benchmarks.days make UNITS FOLDER`` writes the project, and ``python -m
benchmarks.days time NAME FOLDER [OUT]`` runs one and prints its seconds as JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import figures_of, interleave
from benchmarks.processes import Timing, run_process
from benchmarks.records import BenchmarkFigure

if TYPE_CHECKING:
    import polars as pl

N_ROWS = 1_000_000
UNITS = (30, 1000)
DAYS = "a panel of days"
CSV = "days.csv"
BARE, OURS = "bare Polars, by hand", "the pipeline"
TREE = {
    "source": {"use": "csv", "path": CSV},
    "columns": {"unit": "code", "day": "date", "sold": "number"},
    "panel": {
        "time": "day",
        "every": "1d",
        "entity": ["unit"],
        "target": "sold",
        "values": ["sold"],
    },
    "stages": {
        "sanitize_column_names": {"snapshot": "panel", "key": ["unit", "day"]},
        "calendar_columns": {},
        "lag_columns": {},
        "week": {"transform": "rolling_columns"},
        "month": {"transform": "rolling_columns"},
        "change": {},
        "expanding": {"snapshot": "features", "key": ["unit", "day"]},
    },
    "calendar_columns": {"parts": ["month", "week", "weekday"]},
    "lag_columns": {"periods": [1, 2, 3, 7]},
    "week": {"window": 7, "functions": ["mean", "std"], "drop_nulls": False},
    "month": {"window": 28, "functions": ["mean", "std"], "drop_nulls": False},
    "change": {"periods": [1, 7]},
}


def days(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Measure, for few units and for many."""
    for n_units in UNITS:
        with tempfile.TemporaryDirectory() as name:
            run_process("-m", "benchmarks.days", "make", str(n_units), name)
            outputs = [Path(name, f"{i}.parquet") for i in range(2)]
            for way, output in zip((BARE, OURS), outputs, strict=True):
                _timed(way, Path(name), output)
            run_process("-m", "benchmarks.days", "compare", *outputs)
            runs = {way: partial(_timed, way, Path(name)) for way in (BARE, OURS)}
            timings = interleave(runs, n_runs)
            yield from figures_of(f"{DAYS}, {n_units:,} units", N_ROWS, timings)


def _timed(name: str, folder: Path, *out: Path) -> Timing:
    """Run one once; the clock is its own."""
    output, process = run_process("-m", "benchmarks.days", "time", name, folder, *out)
    found = json.loads(output.splitlines()[-1])
    return Timing(found["cpu_s"], found["wall_s"], process.peak_mib)


def make(n_units: int, folder: Path, n_rows: int = N_ROWS) -> None:
    """Write the file, its rows in any order, and the project."""
    import polars as pl

    n_days = n_rows // n_units
    day = pl.date(1990, 1, 1) + pl.duration(
        days=pl.int_range(n_days * n_units) % n_days
    )
    row = pl.int_range(n_days * n_units)
    pl.select(
        unit=row // n_days,
        day=day,
        sold=((row * 7919 + row // n_days) % 10_007 / 100).round(2),
    ).sample(fraction=1, shuffle=True, seed=1).write_csv(folder / CSV)
    (folder / "configs").mkdir()
    (folder / "configs" / "pipeline.yaml").write_text(json.dumps(TREE))


def by_hand(folder: Path) -> "pl.DataFrame":
    """Make the features as one does who knows Polars, and that no day is absent."""
    import polars as pl

    day, sold = pl.col("day").dt, pl.col("sold")
    before = sold.shift(1)
    figures = {
        **{f"sold_lag{n}": sold.shift(n) for n in (1, 2, 3, 7)},
        **{f"sold_rolling{n}": before.rolling_mean(n, min_samples=1) for n in (7, 28)},
        **{
            f"sold_rolling{n}_std": before.rolling_std(n, min_samples=2)
            for n in (7, 28)
        },
        **{f"sold_difference{n}_lag1": before - sold.shift(1 + n) for n in (1, 7)},
        "sold_expanding_mean_lag1": before.cum_sum() / before.cum_count(),
    }
    schema = {"unit": pl.Int32, "day": pl.Date, "sold": pl.Float64}
    parts = {"month": day.month(), "week": day.week(), "weekday": day.weekday()}
    return (
        pl.scan_csv(folder / CSV, schema=schema)
        .sort("unit", "day")
        .with_columns(part.cast(pl.Int64).alias(name) for name, part in parts.items())
        .with_columns(expr.over("unit").alias(name) for name, expr in figures.items())
        .collect(engine="streaming")
    )


def by_pipeline(folder: Path) -> "pl.DataFrame":
    """Make the features by the stages of the project."""
    from pipeline import sources
    from pipeline.engine.one_pass import snapshot_frames
    from pipeline.plan.compose import compose
    from pipeline.plan.settings import load_settings

    settings = load_settings(folder)
    rows, _ = sources.scan(settings.source, folder).frames()
    plan = compose(rows, settings.stages)
    return snapshot_frames(plan)["features"].collect(engine="streaming")


def compare(one: "pl.DataFrame", other: "pl.DataFrame") -> None:
    """Require equal features; a running deviation is good to six digits."""
    from polars.testing import assert_frame_equal

    key = ["unit", "day"]
    one, other = one.sort(key), other.sort(key)
    assert_frame_equal(one, other, check_column_order=False, rel_tol=1e-6, abs_tol=1e-6)


def main(action: str, *words: str) -> None:
    """Do a part in a process of its own."""
    import polars as pl

    if action == "make":
        return make(int(words[0]), Path(words[1]))
    if action == "compare":
        return compare(*(pl.read_parquet(path) for path in words))
    import pipeline.plan.compose  # noqa: F401 -- is no part of what is timed

    name, folder, *out = words
    run = {BARE: by_hand, OURS: by_pipeline}[name]
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    made = run(Path(folder))
    found = {
        "cpu_s": time.process_time() - cpu_s,
        "wall_s": time.perf_counter() - wall_s,
    }
    for path in out:
        made.write_parquet(path)
    print(json.dumps(found))
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
