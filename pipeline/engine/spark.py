"""Compute the parts of a round on a Spark cluster: each is one of Spark's tasks.

What is handed to Spark are numbers: a task reads and writes the parts' folder itself,
with the functions a single machine uses. So no row passes through the JVM, a task that
is done twice does no harm, and the rounds take care of what must be known of all rows.

Numbers need no frames of Spark's: its SQL alone takes Java longer to start than all
else of it.
"""

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from polars.exceptions import PolarsError

from pipeline.engine.parts.execute import Runner, Todo
from pipeline.errors import ClusterError
from pipeline.files.folder import Folder
from pipeline.log import LOG
from pipeline.plan.code import code_hashes
from pipeline.plan.fingerprint import VERSIONS
from pipeline.plan.settings import EngineSettings

_OLDEST_JAVA = 17
_ANSWER_S = 5

_CONFIG = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # As many tasks run at once as there are cores.
    "spark.executorEnv.POLARS_MAX_THREADS": "1",
}

# Java hands on numbers, for seconds: to compile its code well takes longer. A cluster's
# options are its own.
_JAVA = "-XX:+IgnoreUnrecognizedVMOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_LOCAL = {f"spark.{who}.extraJavaOptions": _JAVA for who in ("driver", "executor")}

_CAUSES = (
    r"^(?:Caused by|Exception in thread \"main\"):? (.+)$",
    r"^Error occurred during initialization of VM\n(.+)$",
    r"^(Invalid .+)$",  # a size of memory
    r"(All masters are unresponsive.*)$",
)
"""How Java and Spark begin what was the cause."""

_TOKEN = "seen-by-workers"


@contextmanager
def on_spark(
    engine: EngineSettings, folder: Folder, log: Path, root: Path
) -> Generator[tuple[Runner, int]]:
    """Open a session whose workers can compute; yield what does, and how many at once.

    The parts' folder must be seen by every worker; `log` receives what Spark says here.
    A ClusterError, before anything is computed, if Spark, Java or the master is
    missing, or a worker has other versions or does not see the folder.
    """
    with open_context(engine, log) as context:
        cluster = _Cluster(context, log, root)
        _require_same_workers(cluster, folder)
        yield cluster.run, cluster.n_at_once


@dataclass(frozen=True)
class _Cluster:
    """Spark's context, and where it says what it has to say."""

    context: Any
    log: Path
    root: Path
    """Of the project."""

    @property
    def n_at_once(self) -> int:
        """Parts that it does at once, as far as its workers have come forward."""
        return int(self.context.defaultParallelism)

    def run(self, what: str, todo: Todo, of: int) -> None:
        """Do what is left of a round."""
        started = time.perf_counter()
        numbers, root, here = list(todo), self.root, _versions(self.root)

        def do(i: int) -> str:
            # A worker may have joined since the others were looked at.
            if (there := _versions(root)) != here:
                raise RuntimeError(f"a worker is not as the driver: {there}")
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

        A ClusterError if a task fails as often as Spark tries; a PolarsError if that is
        what it failed with, so that the source is looked at.
        """
        try:
            return self._collect(self.context.parallelize(range(n), n).map(do))
        except Exception as error:
            found = fault(error)
            if found.startswith("polars.exceptions."):
                raise PolarsError(found) from error
            raise ClusterError(
                f"engine=spark: failed at {what}\nfound: {found}\n"
                f"hint: nothing was published; {hint}; Spark's own words are in"
                f" {self.log}"
            ) from error

    def _collect(self, texts: Any) -> list[str]:
        """Collect, in a thread: Ctrl-C amid a word with Java would end up as its error.

        The thread ends once Spark's job does, so that is cancelled: it and no other of
        the context, which may be the user's.
        """
        group = uuid.uuid4().hex

        def collect() -> list[str]:
            self.context.setJobGroup(group, "pipeline")
            return texts.collect()

        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(collect)
            try:
                return found.result()
            except KeyboardInterrupt:
                self.context.cancelJobGroup(group)
                raise


def _require_same_workers(cluster: _Cluster, folder: Folder) -> None:
    """Refuse workers whose results could differ, or could not be found."""
    token = uuid.uuid4().hex
    folder.write(token.encode(), _TOKEN)
    root = cluster.root

    def look(_: int) -> str:
        try:
            seen = folder.read(_TOKEN) == token.encode()
        except OSError:
            seen = False
        return json.dumps({**_versions(root), "sees the job's folder": seen})

    hint = (
        "install this project and its requirements.lock on every worker, its own"
        " transforms/ in the same place, and set"
        f" engine.folder to a place all see; now it is {folder.uri}"
    )
    here = {**_versions(root), "sees the job's folder": True}
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
def _versions(root: Path) -> dict[str, str]:
    """Say what results depend on."""
    code = json.dumps(sorted(code_hashes(root).items()))
    return {
        **VERSIONS,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "code": hashlib.sha256(code.encode()).hexdigest()[:12],
    }


@contextmanager
def open_context(engine: EngineSettings, log: Path) -> Generator[Any]:
    """Open a session; one that this process has open already is used, and left open.

    Yields its ``pyspark.SparkContext``; `log` receives what Spark's processes on this
    machine write to their standard error.
    """
    spark = _require_pyspark()
    there = spark.SparkContext._active_spark_context
    if there is not None:
        _require_master(there, engine.master)
        yield there
        return
    _require_java()
    _require_answer(engine.master)
    context = _start(spark, engine, log)
    # What Spark's Python side has no logger for would reach the terminal.
    handler = logging.FileHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        yield context
    finally:
        with suppress(Exception):
            context.stop()
        logging.getLogger().removeHandler(handler)
        handler.close()


def fault(error: Exception) -> str:
    """Find the line that says what went wrong, in a trace of two languages."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip(" :")]
    lost = [
        line
        for line in lines
        if "exited unexpectedly" in line or "ExecutorLostFailure" in line
    ]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|exit)", line)]
    return (lost or raised or lines or [type(error).__name__])[-1]


def _cause(log: Path) -> str:
    """Find the last cause that Java has told of, to be put behind what Python heard."""
    try:
        text = log.read_text(errors="replace")
    except OSError:  # it may be what could not be opened
        return ""
    causes = re.findall("|".join(_CAUSES), text, re.MULTILINE)
    return f" {''.join(causes[-1])}" if causes else ""


def _require_pyspark() -> Any:
    """Import Spark's Python package, late: few runs need it."""
    try:
        return import_module("pyspark")
    except ImportError as error:
        raise ClusterError(
            "engine=spark: pyspark is not installed\nfound: "
            f"{error}\nhint: `just spark-env` installs it into .venv"
        ) from error


def _require_master(context: Any, master: str) -> None:
    """Refuse an open session of another cluster, as a process has one at a time."""
    found = context.master
    if found != master:
        raise ClusterError(
            f"engine.master: expected {master}\n"
            f"found: a session on {found}, open in this process\n"
            f"hint: stop that session, or use it by engine.master={found}"
        )


def _require_java() -> None:
    """Refuse a machine without the Java that Spark needs."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    place = f"JAVA_HOME={home}" if home else "PATH"
    found = "none"
    if java is not None and Path(java).is_file():
        try:
            told = subprocess.run([java, "-version"], capture_output=True, text=True)
            found = (told.stderr or told.stdout).strip().partition("\n")[0]
        except OSError as error:
            found = str(error)
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


def _start(spark: Any, engine: EngineSettings, log: Path) -> Any:
    """Start a context, and the Java process that has it."""
    settings = {**_CONFIG, **engine.spark}
    if engine.master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings = {**_LOCAL, **settings}
    conf = spark.SparkConf().setMaster(engine.master).setAppName("pipeline")
    for name, value in settings.items():
        text = str(value)
        conf.set(name, text.lower() if isinstance(value, bool) else text)
    try:
        with _output_to(log), _own_interrupt():
            return spark.SparkContext(conf=conf)
    except Exception as error:
        raise ClusterError(
            f"engine=spark: no session on {engine.master}\n"
            f"found: {fault(error)}{_cause(log)}\n"
            "hint: see engine.master (local[2], local-cluster[2,1,2048] or"
            " spark://host:7077)"
            + "".join(f", engine.spark's {name}" for name in engine.spark)
            + f"; Spark's own words are in {log}"
        ) from error


@contextmanager
def _own_interrupt() -> Generator[None]:
    """Keep to what Ctrl-C does; Spark's own handler asks Java first, and fails."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextmanager
def _output_to(path: Path) -> Generator[None]:
    """Lead all output to a file; a process that is started meanwhile keeps that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    before = {number: os.dup(number) for number in (1, 2)}
    # Java goes on appending to it when the next run has emptied it.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    try:
        for number in before:
            os.dup2(file, number)
        yield
    finally:
        for number, was in before.items():
            os.dup2(was, number)
            os.close(was)
        os.close(file)
