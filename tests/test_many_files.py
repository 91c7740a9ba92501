"""A run over thousands of files ends, and costs what one over as many rows does."""

import random
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipeline.plan.settings import load_settings
from pipeline.run.run import run

N_FILES = 2_500
N_TIMES = 3


def hashes_of(root: Path, kind: str, path: str) -> dict[str, str]:
    """Run, and say what came out."""
    words = (f"source={kind}", f"source.path={path}", "drop_rare_drgs.min_total=20")
    report = run(load_settings(root, overrides=words))
    return {
        name: record.content_hash
        for name, record in report.objects.items()
        if name != "quarantine"
    }


def write_files(folder: Path, kind: str, *, shuffled: bool) -> None:
    """Write the golden rows into many files, each with its own order of columns."""
    raw = pl.read_csv(folder / "raw.csv", infer_schema_length=None)
    folder = folder / "many"
    folder.mkdir()
    order = random.Random(1)
    for number in range(N_FILES):
        first, last = (raw.height * i // N_FILES for i in (number, number + 1))
        some = raw[first:last]
        if shuffled:
            some = some.select(order.sample(raw.columns, raw.width))
        file = folder / f"{number:05}.{kind}"
        some.write_csv(file) if kind == "csv" else some.write_parquet(file)


def seconds(root: Path, *words: str) -> float:
    """Take the CPU seconds of a run in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline", "--quiet", "run", *words]
    subprocess.run(command, cwd=root, check=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_files_that_all_differ_in_the_order_of_columns_give_what_one_gives(
    project: Path,
) -> None:
    expected = hashes_of(project, "csv", "data/raw.csv")
    write_files(project / "data", "csv", shuffled=True)
    assert hashes_of(project, "csv", "data/many/*.csv") == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_many_files_cost_at_most_three_times_what_one_does(
    kind: str, project: Path
) -> None:
    # Enough rows that the start of a process counts for little.
    raw = pl.read_csv(project / "data" / "raw.csv", infer_schema_length=None)
    copies = [
        raw.with_columns(pl.col("Facility Id") + 10_000 * number)
        for number in range(50)
    ]
    pl.concat(copies).write_csv(project / "data" / "raw.csv")
    write_files(project / "data", kind, shuffled=False)
    if kind == "parquet":
        pl.concat(copies).write_parquet(project / "data" / "raw.parquet")
    paths = (f"data/raw.{kind}", f"data/many/*.{kind}")
    assert hashes_of(project, kind, paths[0]) == hashes_of(project, kind, paths[1])
    ratios: list[float] = []
    for _ in range(N_TIMES):
        one, many = (
            seconds(project, f"source={kind}", f"source.path={path}", "--force")
            for path in paths
        )
        ratios.append(many / one)
    assert statistics.median(ratios) < 3, ratios
