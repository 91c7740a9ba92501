"""Compute the parts of a round on a Spark cluster: each is one of Spark's tasks.

What is handed to Spark are numbers: a task reads and writes the parts' folder itself,
with the functions a single machine uses. So no row passes through the JVM, a task that
is done twice does no harm, and the rounds take care of what must be known of all rows.
"""

import hashlib
import json
import platform
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from polars.exceptions import PolarsError

from pipeline.engine.parts.execute import Runner, Todo
from pipeline.engine.spark.session import fault, open_session
from pipeline.errors import ClusterError
from pipeline.files.folder import Folder
from pipeline.log import LOG
from pipeline.plan.code import code_hashes
from pipeline.plan.fingerprint import VERSIONS
from pipeline.plan.settings import EngineSettings

_TOKEN = "seen-by-workers"


@contextmanager
def on_spark(
    engine: EngineSettings, folder: Folder, log: Path
) -> Generator[tuple[Runner, int]]:
    """Open a session whose workers can compute; yield what does, and how many at once.

    The parts' folder must be seen by every worker; `log` receives what Spark says here.

    Raises
    ------
    ClusterError
        If Spark, Java or the master is missing, or a worker has other versions or does
        not see the folder; before anything is computed.
    """
    with open_session(engine, log) as session:
        cluster = _Cluster(session, log)
        _require_same_workers(cluster, folder)
        yield cluster.run, cluster.n_at_once


@dataclass(frozen=True)
class _Cluster:
    """A session, and where Spark says what it has to say."""

    session: Any
    log: Path

    @property
    def n_at_once(self) -> int:
        """Parts that it does at once, as far as its workers have come forward."""
        return int(self.session.sparkContext.defaultParallelism)

    def run(self, what: str, todo: Todo, of: int) -> None:
        """Do what is left of a round."""
        started = time.perf_counter()
        numbers, here = list(todo), _versions()

        def do(i: int) -> str:
            # A worker may have joined since the others were looked at.
            if _versions() != here:
                raise RuntimeError(f"a worker is not as the driver: {_versions()}")
            todo[numbers[i]]()
            return ""

        if numbers:
            hint = (
                "what is done is kept; where a worker ran out of memory, set a higher"
                " engine.partitions"
            )
            self.map(what, len(numbers), do, hint)
            seconds = time.perf_counter() - started
            LOG.info("%s: %d of %d, %.1f s", what, of, of, seconds)

    def map(self, what: str, n: int, do: Callable[[int], str], hint: str) -> list[str]:
        """Call a function for the numbers below n, each in a task of Spark's.

        Raises
        ------
        ClusterError
            If a task fails as often as Spark tries.
        PolarsError
            If that is what the task did, so that the source is looked at.
        """

        def work(batches: Iterator[Any]) -> Iterator[Any]:
            arrow = import_module("pyarrow")
            for batch in batches:
                texts = [do(i) for i in batch.column("id").to_pylist()]
                yield arrow.RecordBatch.from_pydict({"text": texts})

        numbers = self.session.range(0, n, 1, n)
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):
                rows = self._collect(numbers.mapInArrow(work, "text string"))
        except Exception as error:
            found = fault(error)
            if found.startswith("polars.exceptions."):
                raise PolarsError(found) from error
            raise ClusterError(
                f"engine=spark: failed at {what}\nfound: {found}\n"
                f"hint: nothing was published; {hint}; Spark's own words are in"
                f" {self.log}"
            ) from error
        return [row["text"] for row in rows]

    def _collect(self, df: Any) -> list[Any]:
        """Collect, in a thread: Ctrl-C amid a word with Java would end up as its error.

        The thread ends once Spark's job does, so that is cancelled: it and no other of
        the session, which may be the user's.
        """
        context, group = self.session.sparkContext, uuid.uuid4().hex

        def collect() -> list[Any]:
            context.setJobGroup(group, "pipeline")
            return df.collect()

        with ThreadPoolExecutor(1) as pool:
            rows = pool.submit(collect)
            try:
                return rows.result()
            except KeyboardInterrupt:
                context.cancelJobGroup(group)
                raise


def _require_same_workers(cluster: _Cluster, folder: Folder) -> None:
    """Refuse workers whose results could differ, or could not be found."""
    token = uuid.uuid4().hex
    folder.write(token.encode(), _TOKEN)

    def look(_: int) -> str:
        try:
            seen = folder.read(_TOKEN) == token.encode()
        except OSError:
            seen = False
        return json.dumps({**_versions(), "sees the job's folder": seen})

    hint = (
        "install this project and its requirements.lock on every worker, and set"
        f" engine.folder to a place all see; now it is {folder.uri}"
    )
    here = {**_versions(), "sees the job's folder": True}
    lines: dict[str, None] = {}
    what = "looking at the workers"
    for text in cluster.map(what, 2 * cluster.n_at_once, look, hint):
        there = json.loads(text)
        for name, value in here.items():
            if there[name] != value:
                lines[f"  {name}: {there[name]} there, {value} here"] = None
    if lines:
        raise ClusterError(
            "engine=spark: the workers are not as this machine is\n"
            f"found:\n{chr(10).join(lines)}\nhint: {hint}"
        )


@cache
def _versions() -> dict[str, str]:
    """Say what results depend on."""
    code = json.dumps(sorted(code_hashes().items()))
    return {
        **VERSIONS,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "code": hashlib.sha256(code.encode()).hexdigest()[:12],
    }
