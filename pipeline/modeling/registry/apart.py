"""Use a registered bundle in a process of its own, with the code packed in it.

What is imported here is this project as it is now; a bundle holds it as it was. In a
process of its own, the bundle's comes first on the path.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from os import environ
from pathlib import Path

import msgspec
import polars as pl

from pipeline.engine.parts.sizes import memory_of
from pipeline.errors import ModelError, some
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG
from pipeline.modeling.data import read_rows
from pipeline.modeling.registry.registry import Version, bundle_of, packed
from pipeline.modeling.settings import ModelingSettings
from pipeline.plan.settings import EngineSettings
from pipeline.progress import doing

_PROGRAM = Path(__file__).with_name("apart_main.py")

REFUSED = 3
"""The exit code of a bundle that refuses its input."""


def forecast_apart(
    settings: ModelingSettings, version: Version, rows: pl.DataFrame, *, alone: bool
) -> pl.DataFrame:
    """Forecast with a version: `pipeline.modeling.bundle.bundle.Bundle.forecast`.

    Its files are held to what was registered first.
    """
    return _apart(settings, version, "alone" if alone else "completed", rows)


def backtest_apart(
    settings: ModelingSettings, version: Version, rows: pl.DataFrame, periods: pl.Series
) -> pl.DataFrame:
    """Predict periods as the version was judged: `Bundle.backtest`, as above."""
    return _apart(settings, version, "backtest", rows, periods.to_frame())


def forecast_files_apart(
    settings: ModelingSettings,
    version: Version,
    given: Path,
    work: Path,
    *,
    alone: bool,
) -> None:
    """Forecast of the Parquet files in a folder: `...bundle.parts.answer_files`.

    What it makes is in the folder ``made/`` of `work`, which is empty before.
    """
    engine, how = settings.pipeline.engine, "files-alone" if alone else "files"
    memory = f"{memory_of(engine) >> 20}MiB"
    parts = EngineSettings(memory=memory, partitions=engine.partitions)
    words = [msgspec.json.encode(parts).decode(), str(given)]
    with tempfile.TemporaryDirectory() as folder:
        _start(settings, version, how, work, Path(folder), words)


def _apart(
    settings: ModelingSettings, version: Version, how: str, *given: pl.DataFrame
) -> pl.DataFrame:
    """Hand tables over as files, and read what was made of them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"given_{i}.parquet") for i in range(len(given))]
        for path, table in zip(paths, given, strict=True):
            table.write_parquet(path)
        made = Path(folder, "made.parquet")
        _start(settings, version, how, made, Path(folder), map(str, paths))
        return read_parquet(made)


@doing("predicting with what is registered")
def _start(
    settings: ModelingSettings,
    version: Version,
    how: str,
    made: Path,
    folder: Path,
    given: Iterable[str],
) -> None:
    """Start the program beside the rows of other sources, and pass on what it says."""
    beside = folder / "others"
    beside.mkdir()
    for name, table in others_of(settings, version).items():
        table.write_parquet(beside / f"{name}.parquet")
    code, bundle = version.folder / "code", bundle_of(version)
    words = [*map(str, (code, bundle)), how, str(made), str(beside), *given]
    done = subprocess.run(  # this interpreter, a file of ours
        [sys.executable, "-P", "-W", "ignore", str(_PROGRAM), *words],
        cwd=folder,
        # What Python compiled of the bundle's code would be run unseen.
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == REFUSED:
        raise ModelError(done.stderr.strip())
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        named = [line for line in lines if re.match(r"[\w.]+: ", line)]
        raise ModelError(
            f"{version.uri}: cannot be loaded and used\n"
            f"found: {(named or lines or ['no message'])[-1]}\n"
            "hint: its files are as they were registered; `just env` installs the"
            " libraries it needs"
        )
    for line in done.stdout.splitlines():
        LOG.warning(line)


def others_of(settings: ModelingSettings, version: Version) -> dict[str, pl.DataFrame]:
    """Read the other sources that a version takes, as they are now."""
    names = packed(version).others
    missing = [name for name in names if name not in settings.pipeline.others]
    if missing:
        raise ModelError(
            f"{version.uri}: takes rows of other sources: {some(missing)}\n"
            f"found: {some(settings.pipeline.others) or 'none'}\n"
            "hint: see `sources` in configs/pipeline.yaml, or train and promote anew"
        )
    return {name: read_rows(settings.pipeline, name) for name in names}
