"""Time one stage, in a process that does nothing else: see `pipeline.run.times`."""

import os
import pickle
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path

import msgspec
import polars as pl

from pipeline.log import peak_mib
from pipeline.plan.settings import Stage

N_TIMES = 3
"""The best of so many counts."""


@dataclass(frozen=True)
class Job:
    """What is to be timed: a stage, or frames as a source gives them."""

    stage: Stage | None
    source: Sequence[bytes]
    """Plans of its rows and of its bad cells."""
    inputs: Sequence[tuple[Path, pl.Schema]]
    """Files of the stage's inputs, as `write_rows` writes them."""
    output: Path | None
    """Where its rows go, if they are needed; that is not timed."""
    shows_nodes: bool

    def frames(self, inputs: Sequence[pl.DataFrame]) -> list[pl.LazyFrame]:
        """Compose what is timed; the rows come first."""
        if self.stage is not None:
            return [self.stage.apply(*(df.lazy() for df in inputs))]
        return [pl.LazyFrame.deserialize(BytesIO(plan)) for plan in self.source]


class Timed(msgspec.Struct, frozen=True):
    """What a stage took alone."""

    seconds: float
    cpu_s: float
    memory_mib: int
    """Peak of the process above that before the stage: its inputs, as far as they are
    read, and its output are part of it."""
    n_rows_in: int | None
    """Of the first input; None of a source."""
    n_rows: int
    n_columns: int
    n_threads: int


def write_rows(lf: pl.LazyFrame, file: Path) -> None:
    """Write rows so that they can be used from the file, and need no memory."""
    lf.sink_ipc(file, compression="uncompressed")


def read_rows(file: Path, schema: pl.Schema) -> pl.DataFrame:
    """Map what `write_rows` has written."""
    # NOTE: Polars reads such a file into memory, and would count it twice.
    arrow = import_module("pyarrow")
    table = import_module("pyarrow.ipc").open_file(arrow.memory_map(str(file)))
    return pl.DataFrame(table.read_all()).match_to_schema(schema)


def time_job(job: Job) -> Timed:
    """Do it so often, and keep the best; memory is that of the first time."""
    pl.LazyFrame({"a": [1]}).select(pl.col("a") + 1).collect(engine="streaming")
    inputs = [read_rows(*given) for given in job.inputs]
    before, taken = _peak_mib(), list[tuple[float, float]]()
    memory, made = 0, pl.DataFrame()
    for i in range(N_TIMES):
        frames = job.frames(inputs)
        del made
        started = time.perf_counter(), time.process_time()
        made = pl.collect_all(frames, engine="streaming")[0]
        taken.append(
            (time.perf_counter() - started[0], time.process_time() - started[1])
        )
        memory = memory if i else _peak_mib() - before
    if job.output is not None:
        write_rows(made.lazy(), job.output)
    seconds, cpu_s = (min(each) for each in zip(*taken, strict=True))
    n_in = inputs[0].height if inputs else None
    of = pl.thread_pool_size()
    if job.shows_nodes:
        os.environ["POLARS_LOG_METRICS"] = "1"
        pl.Config.reload_env_vars()
        pl.collect_all(job.frames(inputs), engine="streaming")
    return Timed(seconds, cpu_s, memory, n_in, made.height, made.width, of)


def _peak_mib() -> int:
    """Return the peak memory of this process; Linux tells that of its parent, too."""
    status = Path("/proc/self/status")
    found = re.search(
        r"VmHWM:\s+(\d+) kB", status.read_text() if status.exists() else ""
    )
    return int(found[1]) >> 10 if found else peak_mib()


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(time_job(pickle.load(sys.stdin.buffer)))
    )
