"""Real clusters on this machine: what they compute, survive and refuse."""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pytest

from pipeline.engine.spark import open_context
from pipeline.errors import ClusterError, ConfigError, PipelineError, SourceError
from pipeline.plan.settings import EngineSettings, Settings, load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.store import open_store
from pipeline.transforms import load_transform
from tests.conftest import ROOT, make_project
from tests.engine.s3 import s3_store

pyspark = pytest.importorskip("pyspark", reason="`just spark-env` installs it")

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",  # py4j leaves sockets to the garbage collector
    "ignore:datetime.datetime.utcnow:DeprecationWarning",  # boto's
)

LOCAL, CLUSTER = "local[2]", "local-cluster[2,1,2048]"
STANDALONE, NONE = "standalone", "none"
EXECUTOR, BUCKET = "CoarseGrainedExecutorBackend", "parts"
TIMEOUT_S = 120

Load: TypeAlias = Callable[..., Settings]


def on(*masters: object) -> pytest.MarkDecorator:
    """Run a test on masters, in a session that tests of the same one share."""
    return pytest.mark.parametrize("master", masters, indirect=True)


@pytest.fixture(scope="module", autouse=True)
def s3() -> Generator[Any]:
    """A store that speaks S3; workers learn of it by their environment."""
    with s3_store(BUCKET) as client, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        yield client


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a master of its own, with one worker."""
    work = tmp_path_factory.mktemp("standalone")
    spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
    port, deploy = free_port(), "org.apache.spark.deploy"
    url = f"spark://127.0.0.1:{port}"
    local = ("--host", "127.0.0.1", "--webui-port", "0")
    commands = [
        (f"{deploy}.master.Master", *local, "--port", str(port)),
        (f"{deploy}.worker.Worker", *local, "--cores", "2", "--memory", "2g", url),
    ]
    with (work / "log").open("w") as log:
        daemons = [
            subprocess.Popen([spark_class, *words], cwd=work, stdout=log, stderr=log)
            for words in commands
        ]
        try:
            wait_for(lambda: answers(port), "the master")
            yield url
        finally:
            for daemon in daemons:
                daemon.terminate()
                daemon.wait(timeout=TIMEOUT_S)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Spark's one Java process writes to."""
    return tmp_path_factory.mktemp("log") / "spark.log"


@pytest.fixture(scope="module")
def master(request: pytest.FixtureRequest, log: Path) -> Generator[str]:
    """A master with a session on it, or nothing."""
    url = request.param
    if url == NONE:
        yield url
        return
    if url == STANDALONE:
        url = request.getfixturevalue("standalone")
    engine = EngineSettings(master=url, spark={"spark.executor.memory": "1g"})
    with open_context(engine, log):
        yield url


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Generator[None]:
    """Remove what executors of local-cluster leave in Spark's own folder."""
    yield
    shutil.rmtree(Path(pyspark.__file__).parent / "work", ignore_errors=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one pass over the golden rows gives."""
    root = tmp_path_factory.mktemp("expected")
    return contents(run(settings(make_project(root))))


def settings(root: Path, *words: str) -> Settings:
    source = ("source=csv", "source.path=data/raw.csv")
    return load_settings(root, overrides=(*source, *words))


def spark(master: str, n_parts: int | str, *words: str) -> tuple[str, ...]:
    """Write as overrides that a run is Spark's."""
    parts = f"engine.partitions={n_parts}"
    return "engine=spark", f"engine.master={master}", parts, *words


def contents(report: RunReport) -> dict[str, Any]:
    """Say all that a run knows of its rows: hashes, profiles, counts per stage."""
    found: dict[str, Any] = {
        name: (o.content_hash, o.n_rows, o.columns)
        for name, o in report.objects.items()
    }
    return found | {f"stage {s.name}": s.n_rows for s in report.run.stages}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(is_there: Callable[[], Any], what: str) -> Any:
    """Wait until something is there, and give it."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        if found := is_there():
            return found
        time.sleep(0.01)
    raise TimeoutError(what)


def done_in(root: Path, round_: int) -> set[Path]:
    """Find what says that an item of a round is done."""
    return set(root.glob(f".pipeline/parts/*/round-{round_}/*/done.json"))


def descendants(of: int) -> dict[int, str]:
    """Find the processes that one has started, and what they run."""
    parents: dict[int, int] = {}
    words: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2]
            words[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(state.split()[1])

    def is_below(pid: int) -> bool:
        above = parents.get(pid)
        return above is not None and (above == of or is_below(above))

    return {pid: text for pid, text in words.items() if is_below(pid)}


def executors() -> list[int]:
    found = descendants(os.getpid()).items()
    return sorted(pid for pid, text in found if EXECUTOR in text)


@contextmanager
def meanwhile(do: Callable[[], bool]) -> Generator[None]:
    """Try to do something, again and again, until it is done or the block ends."""
    over = threading.Event()

    def keep_trying() -> None:
        while not over.wait(0.005) and not do():
            pass

    thread = threading.Thread(target=keep_trying)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def require_clear(error: PipelineError) -> None:
    """Refuse a message that does not say what was found, and what to do."""
    message = str(error)
    assert re.match(r"[a-z'/]", message), message
    assert re.search("\n(found|expected)", message), message
    assert "\nhint: " in message, message
    assert "Traceback" not in message
    assert "\tat org." not in message


@on(LOCAL, CLUSTER, pytest.param(STANDALONE, marks=pytest.mark.slow))
def test_a_cluster_gives_what_one_pass_gives(
    master: str, project: Path, expected: dict[str, Any]
) -> None:
    assert contents(run(settings(project, *spark(master, "auto")))) == expected


@pytest.mark.slow
@on(LOCAL)
def test_a_million_rows_are_the_same_rows(master: str, project: Path) -> None:
    shutil.copytree(ROOT / "sources", project / "sources")
    words = ("source=synthetic",)
    whole = contents(run(load_settings(project, overrides=words)))
    shutil.rmtree(project / ".pipeline" / "objects")
    shutil.rmtree(project / ".pipeline" / "runs")
    words = (*words, *spark(master, 4))
    report = run(load_settings(project, overrides=words))
    assert contents(report) == whole
    assert report.objects["discharges"].n_rows > 1_000_000
    assert {s.state for s in report.run.snapshots} == {"computed"}


@pytest.fixture
def yearly(project: Path) -> Path:
    """A project whose source is nine files, each of them a task.

    No two that follow one another have their header on the same line.
    """
    raw = pl.read_csv(project / "data" / "raw.csv", infer_schema=False)
    for (year,), rows in raw.group_by("Year"):
        above = "\n" * (int(str(year)) % 2)
        text = above + rows.write_csv()
        (project / "data" / f"rows-{year}.csv").write_text(text)
    return project


YEARLY = "source.path=data/rows-*.csv"


@pytest.mark.slow
@on(CLUSTER)
@pytest.mark.parametrize("round_", [0, 1])
def test_an_executor_that_dies_costs_nothing(
    master: str, round_: int, yearly: Path, expected: dict[str, Any], log: Path
) -> None:
    n_lost = log.read_text().count("Lost executor")
    killed: list[int] = []

    def kill_one() -> bool:
        if len(done_in(yearly, round_)) < 2:
            return False
        killed.append(executors()[0])
        os.kill(killed[0], signal.SIGKILL)
        assert len(done_in(yearly, round_)) < 9
        return True

    with meanwhile(kill_one):
        report = run(settings(yearly, YEARLY, *spark(master, 12)))
    assert contents(report) == expected
    assert killed[0] not in executors()
    wait_for(lambda: log.read_text().count("Lost executor") > n_lost, "its loss")


ODD: dict[str, list[str]] = {
    # Facility '663' has most rows; there are fewer facilities than parts.
    "null, string and giant keys, empty parts": ["columns.Facility Id=text"],
    "nothing left": [
        "drop_rare_drgs.min_total=1000000000",
        "source.max_bad_rows=1000",
        "stages.drop_rare_drgs.may_be_empty=true",
        *(f"checks.{name}.rows.min=0" for name in ("facility_drg_year", "features")),
    ],
}


@on(LOCAL)
@pytest.mark.parametrize("words", ODD.values(), ids=ODD)
def test_odd_rows_are_the_same_rows(
    master: str, words: list[str], project: Path, tmp_path: Path
) -> None:
    path = project / "data" / "raw.csv"
    raw = pl.read_csv(path, infer_schema=False)
    sizes = raw["Facility Id"].value_counts(sort=True)["Facility Id"]
    few = raw.filter(pl.col("Facility Id").is_in([sizes[0], *sizes[-5:]]))
    last = pl.col("Facility Id") == sizes[-1]
    facility = pl.when(~last).then("Facility Id")
    few.with_columns(facility).write_csv(path)
    for contract in (project / "configs" / "checks").iterdir():
        contract.write_text("key: false\n")
    other = shutil.copytree(project, tmp_path / "other")
    report = run(settings(other, *words, *spark(master, 9)))
    assert contents(report) == contents(run(settings(project, *words)))


@pytest.mark.parametrize("use_spark", [True, False], ids=["spark", "here"])
@on(LOCAL)
def test_source_and_parts_may_be_in_a_store(
    master: str, use_spark: bool, project: Path, expected: dict[str, Any], s3: Any
) -> None:
    rows = io.BytesIO()
    pl.read_csv(project / "data" / "raw.csv", infer_schema=False).write_parquet(rows)
    s3.put_object(Bucket=BUCKET, Key="raw/rows.parquet", Body=rows.getvalue())
    words = spark(master, 3) if use_spark else ("engine.partitions=3",)
    source = ("source=parquet", f"source.path=s3://{BUCKET}/raw/*.parquet")
    words = (*words, *source, f"engine.folder=s3://{BUCKET}/some/jobs")
    assert contents(run(settings(project, *words))) == expected
    objects = s3.list_objects_v2(Bucket=BUCKET, Prefix="some")["Contents"]
    assert [found["Key"] for found in objects] == ["some/jobs/"]  # an empty one
    assert not list(project.glob(".pipeline/parts/*"))


STOPPED = (
    "stopped: nothing was published; parts that were finished are kept, and the same"
    " command goes on\n"
)
ENDS = {signal.SIGKILL: (-9, ""), signal.SIGTERM: (143, STOPPED)}


@on(LOCAL)
@pytest.mark.slow
@pytest.mark.parametrize("number", ENDS)
def test_a_killed_run_goes_on(
    master: str,
    number: signal.Signals,
    yearly: Path,
    expected: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # What is left is done by a cluster with fewer cores, in as many parts.
    cores = "engine.spark={spark.default.parallelism: '8'}"
    words = ["source=csv", YEARLY, *spark(master, "auto", cores)]
    driver = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", *words],
        cwd=yearly,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(done_in(yearly, 1)) >= 2, "the second round")
    spark_processes = descendants(driver.pid)
    assert spark_processes
    os.kill(driver.pid, number)
    _, messages = driver.communicate(timeout=TIMEOUT_S)
    wait_for(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in spark_processes),
        "the end of Java and its workers, whose driver is gone",
    )
    status, last_words = ENDS[number]
    assert driver.returncode == status
    # What Spark says of its start is in the log.
    assert re.fullmatch(
        r"data/rows-2009.csv and 4 more: read with the header on line 2\n"
        r".* rows in 16 parts, split by facility_id\n"
        rf"round 1 of 4, reading files: 9 of 9, [\d.]+ s\n{last_words}",
        messages,
    )
    assert "log4j" in (yearly / ".pipeline" / "logs" / "spark.log").read_text()
    n_left = 16 - len(done_in(yearly, 1))
    assert 0 < n_left <= 14
    with caplog.at_level("INFO", logger="pipeline"):
        report = run(settings(yearly, YEARLY, *spark(master, "auto")))
    n_done = 9 + 16 - n_left
    going_on = f"going on with what an earlier run finished: {n_done} of 57 parts"
    at = caplog.messages.index(going_on)
    assert re.match(r"round 2 of 4, .*: 16 of 16, [\d.]+ s", caplog.messages[at + 1])
    assert contents(report) == expected


def refused(
    project: Path, *words: str, error: type[PipelineError] = ClusterError
) -> str:
    """Give the one clear error of a run, which must leave what was published."""
    before = open_store(project).linked
    with pytest.raises(error) as info:
        run(settings(project, *words))
    require_clear(info.value)
    assert open_store(project).linked == before
    return str(info.value)


@on(NONE)
def test_pyspark_must_be_there(
    master: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert "pyspark is not installed" in refused(project, *spark(LOCAL, 3))


@on(NONE)
@pytest.mark.parametrize("version", [None, "1.8.0_402", "11.0.2", "Permission denied"])
def test_java_must_be_there_and_new(
    master: str, version: str | None, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = project / "bin" / "java"
    if version is not None:
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        java.chmod(0o644 if version == "Permission denied" else 0o755)
    monkeypatch.setenv("JAVA_HOME", str(project))
    message = refused(project, *spark(LOCAL, 3))
    assert "Spark needs Java 17 or newer" in message
    assert f"found in JAVA_HOME={project}: " in message
    assert (version or "none") in message


@on(NONE)
def test_a_master_must_answer(master: str, project: Path) -> None:
    started = time.monotonic()
    url = f"spark://127.0.0.1:{free_port()}"
    assert f"{url} does not answer" in refused(project, *spark(url, 3))
    assert time.monotonic() - started < 10


@on(NONE)
@pytest.mark.parametrize(
    ("url", "setting", "told"),
    [
        ("yarn", "{}", "HADOOP_CONF_DIR or YARN_CONF_DIR must be set"),
        (LOCAL, "{spark.driver.memory: 1m}", "Too small maximum heap"),
        (LOCAL, "{spark.driver.memory: some}", "Invalid maximum heap size: -Xmxsome"),
    ],
)
def test_what_java_says_of_a_setting_is_told(
    master: str, url: str, setting: str, told: str, project: Path
) -> None:
    words = ["run", "source=csv", "source.path=data/raw.csv", *spark(url, 3)]
    # A Java process of its own: the tests' is there already.
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words, f"engine.spark={setting}"],
        cwd=project,
        env={n: v for n, v in os.environ.items() if not n.endswith("_CONF_DIR")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    _, found, hint = done.stderr.splitlines()
    assert told in found
    assert ("spark.driver.memory" in hint) == ("spark.driver.memory" in setting)


@on(LOCAL)
def test_an_open_session_must_be_of_the_master(master: str, project: Path) -> None:
    message = refused(project, *spark("local[3]", 3))
    assert f"a session on {master}, open in this process" in message


@pytest.mark.slow
@on(NONE)
def test_workers_must_be_as_this_machine(
    master: str, project: Path, tmp_path: Path
) -> None:
    # A store that knows nothing.
    elsewhere = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    other = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "pipeline", other / "pipeline")
    with (other / "pipeline" / "panel.py").open("a") as file:
        file.write("\n# one line more\n")
    environment = {
        "PYTHONPATH": other,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{elsewhere.server_port}",
    }
    words = [
        f"engine.spark={{spark.executorEnv.{name}: '{value}'}}"
        for name, value in environment.items()
    ]
    cluster = spark("local-cluster[1,1,1024]", 3, f"engine.folder=s3://{BUCKET}/x")
    message = refused(project, *cluster, *words)
    elsewhere.shutdown()
    elsewhere.server_close()
    assert "the workers are not as this machine is" in message
    assert re.search(r"  code: \w{12} there, \w{12} here", message)
    assert "sees the job's folder: False there, True here" in message


@on(LOCAL)
def test_workers_out_of_memory_publish_nothing(master: str, yearly: Path) -> None:
    run(settings(yearly))

    def kill_all() -> bool:
        """Do what the system does to a process that takes too much memory."""
        if not done_in(yearly, 0):
            return False
        found = descendants(os.getpid()).items()
        workers = [pid for pid, text in found if "pyspark.daemon" in text]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        return bool(workers)

    with meanwhile(kill_all):
        message = refused(yearly, YEARLY, *spark(master, 3))
    assert "failed at round 1 of 4" in message
    assert "Python worker exited unexpectedly (crashed)" in message


@on(LOCAL)
def test_a_stage_must_say_how_it_is_split(
    master: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.transforms.lag_columns.split", None)
    load_transform.cache_clear()
    try:
        message = refused(project, *spark(master, 3), error=ConfigError)
    finally:
        load_transform.cache_clear()
    assert "stage 'lag_columns'" in message


@on(LOCAL)
def test_memory_must_hold_one_facility(master: str, project: Path) -> None:
    words = (*spark(master, 3), "engine.memory=1MiB")
    assert "facility_id" in refused(project, *words, error=ConfigError)


@on(LOCAL)
def test_a_file_that_cannot_be_read_is_named(master: str, yearly: Path) -> None:
    file = yearly / "data" / "rows-2012.csv"
    file.write_bytes(file.read_bytes()[:-2000] + b'2012,"\xff\xfe\n')
    message = refused(yearly, YEARLY, *spark(master, 3), error=SourceError)
    assert "rows-2012.csv" in message
