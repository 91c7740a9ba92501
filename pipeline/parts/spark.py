"""Do the tasks of a round on a Spark cluster; Spark places them and does them again.

What is handed to Spark are numbers: a task reads and writes the job's folder itself,
with the functions a single machine uses. So no row passes through the JVM, a task that
is done twice does no harm, and the rounds take care of what must be known of all rows.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.code import code_hashes
from pipeline.errors import ClusterError
from pipeline.fingerprint import VERSIONS
from pipeline.log import LOG
from pipeline.parts.execute import Runner, Tasks
from pipeline.parts.folder import Folder
from pipeline.settings import EngineSettings

_OLDEST_JAVA = 17
_ANSWER_S = 5
_TOKEN = "seen-by-workers"

_CONFIG = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # As many tasks run at once as there are cores.
    "spark.executorEnv.POLARS_MAX_THREADS": "1",
}


@contextmanager
def on_spark(engine: EngineSettings, folder: Folder) -> Generator[tuple[Runner, int]]:
    """Open a session, and see that its workers can do the tasks.

    Parameters
    ----------
    engine : EngineSettings
        Names the master, and more of Spark's settings.
    folder : Folder
        The job's; every worker must see it.

    Yields
    ------
    tuple of Runner and int
        What does tasks, and how many at once.

    Raises
    ------
    ClusterError
        If Spark, Java or the master is missing, or a worker has other versions or does
        not see the folder; before anything is computed.
    """
    sql = _require_pyspark()
    _require_java()
    _require_answer(engine.master)
    session = _start(sql, engine)
    try:
        n_at_once = int(session.sparkContext.defaultParallelism)
        _require_same_workers(session, folder, 2 * n_at_once)
        yield lambda what, tasks: _run(session, what, tasks), n_at_once
    finally:
        with contextlib.suppress(Exception):
            session.stop()


def _require_pyspark() -> Any:
    """Import Spark's Python package, late: few runs need it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pandas 3
            return import_module("pyspark.sql")
    except ImportError as error:
        raise ClusterError(
            "engine=spark: pyspark is not installed\nfound: "
            f"{error}\nhint: `just spark-env` installs it into .venv"
        ) from error


def _require_java() -> None:
    """Refuse a machine without the Java that Spark needs.

    Raises
    ------
    ClusterError
        With where it was looked for, and what was found.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    place = f"JAVA_HOME={home}" if home else "PATH"
    found = "none"
    if java is not None and Path(java).is_file():
        told = subprocess.run([java, "-version"], capture_output=True, text=True)
        found = (told.stderr or told.stdout).strip().partition("\n")[0]
        version = re.search(r'version "(?:1\.)?(\d+)', found)
        if version and int(version[1]) >= _OLDEST_JAVA:
            return
    raise ClusterError(
        f"engine=spark: Spark needs Java {_OLDEST_JAVA} or newer\n"
        f"found in {place}: {found}\n"
        "hint: install a JDK, such as the system's package openjdk-17-jre-headless, or"
        " point JAVA_HOME to one"
    )


def _require_answer(master: str) -> None:
    """Refuse a master that does not answer; Spark itself would try for a minute."""
    addresses = re.findall(r"([^:,/]+):(\d+)", master.partition("spark://")[2])
    problems: list[str] = []
    for host, port in addresses:
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        except OSError as error:
            problems.append(f"{host}:{port}: {error}")
        else:
            return
    if problems:
        raise ClusterError(
            f"engine.master: {master} does not answer\n"
            f"found: {'; '.join(problems)}\n"
            "hint: start it, or use engine.master=local[2] for this machine"
        )


def _start(sql: Any, engine: EngineSettings) -> Any:
    """Open a session."""
    if engine.master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master(engine.master).appName("pipeline")
    for name, value in (_CONFIG | engine.spark).items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:
        raise ClusterError(
            f"engine.master: no session on {engine.master}\nfound: {_fault(error)}\n"
            "hint: local[2], local-cluster[2,1,2048] or spark://host:7077"
        ) from error
    session.sparkContext.setLogLevel("OFF")
    return session


def _require_same_workers(session: Any, folder: Folder, n: int) -> None:
    """Refuse workers whose results could differ, or could not be found.

    Raises
    ------
    ClusterError
        With what differs.
    """
    token = uuid.uuid4().hex
    folder.write(token.encode(), _TOKEN)

    def describe() -> str:
        seen = folder.read(_TOKEN) == token.encode()
        return json.dumps({**_versions(), "sees the job's folder": seen})

    here = {**_versions(), "sees the job's folder": True}
    lines: dict[str, None] = {}
    for text in _map(session, "looking at the workers", n, lambda _: describe()):
        there = json.loads(text)
        for name, value in here.items():
            if there[name] != value:
                lines[f"  {name}: {there[name]} there, {value} here"] = None
    if lines:
        raise ClusterError(
            "engine=spark: the workers are not as this machine is\n"
            f"found:\n{chr(10).join(lines)}\n"
            "hint: install this project and its requirements.lock on every worker, and"
            f" set engine.folder to a place all see; now it is {folder.uri}"
        )


def _versions() -> dict[str, str]:
    """Say what results depend on."""
    code = json.dumps(sorted(code_hashes().items()))
    return {
        **VERSIONS,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "code": hashlib.sha256(code.encode()).hexdigest()[:12],
    }


def _run(session: Any, what: str, tasks: Tasks) -> None:
    """Do tasks, each as one of Spark's."""
    numbers = list(tasks)

    def do(i: int) -> str:
        tasks[numbers[i]]()
        return ""

    if numbers:
        _map(session, what, len(numbers), do)
    LOG.info("%s, %d tasks", what, len(numbers))


def _map(session: Any, what: str, n: int, do: Callable[[int], str]) -> list[str]:
    """Call a function for the numbers below n, each in a task of Spark's.

    Raises
    ------
    ClusterError
        If a task fails as often as Spark tries.
    """

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        arrow = import_module("pyarrow")
        for batch in batches:
            texts = [do(i) for i in batch.column("id").to_pylist()]
            yield arrow.RecordBatch.from_pydict({"text": texts})

    numbers = session.range(0, n, 1, n)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pandas 3
            rows = numbers.mapInArrow(work, "text string").collect()
    except Exception as error:
        raise ClusterError(
            f"engine=spark: {what} failed\nfound: {_fault(error)}\n"
            "hint: nothing was published, and what is done is kept; where a worker ran"
            " out of memory, set a higher engine.partitions"
        ) from error
    return [row["text"] for row in rows]


def _fault(error: Exception) -> str:
    """Find the line that says what went wrong, in a trace of two languages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if re.match(r"[\w.]*(Error|Exception|exit)", line)
        or "exited unexpectedly" in line
        or "ExecutorLostFailure" in line
    ]
    return (telling or lines or [type(error).__name__])[-1]
