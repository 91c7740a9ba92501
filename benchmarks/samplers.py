"""What the regression check measures: figures relative to references, per process."""

import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT, STEADY, Timing, run_process, synthetic
from benchmarks.semantics import KEY
from benchmarks.verdict import FEWEST

PANDAS, KERNEL, BARE, PYTHON = "pandas", "kernel", "bare script", "Python's imports"
RUN, MEMORY, HELP, NOTHING = "just run", "its memory", "--help", "nothing to do"
WHY, SWEEP, CUTOFF = "just why", "just sweep", "early cutoff"
N_ROUNDS = 8
N_STARTS = 4
IMPORTS = (
    "import argparse, asyncio, email.mime.text, http.client, json, logging.config,"
    " sqlite3, unittest, urllib.request, xml.etree.ElementTree"
)
"""Many small files and one thread, as a start of ours; NumPy's threads would spin."""
TWO_THREADS = {"POLARS_MAX_THREADS": "2"}

Sample = Mapping[str, float]
"""A figure of one process over that of each reference."""


@dataclass(frozen=True)
class Sampler:
    """A way to measure some figures together."""

    names: tuple[str, ...]
    take: Callable[[Sequence[str]], dict[str, Sample]]
    """Some of the names to a sample of each, from fresh processes."""
    fewest: int = FEWEST
    """Samples that are always taken; more where these look slower."""


@dataclass(frozen=True)
class Workbench:
    """The inputs of all measurements, in a temporary folder."""

    folder: Path
    cases: tuple[str, ...]
    """The transformations."""

    @property
    def inputs(self) -> Path:
        """Those of the transformations, as `benchmarks.cases` writes them."""
        return self.folder / "inputs"

    @property
    def csv(self) -> Path:
        """Raw rows of an eighth of the facilities."""
        return self.inputs / "read_csv.csv"

    @property
    def plans(self) -> Path:
        """Those of the bare script."""
        return self.folder / "plans"

    @property
    def project(self) -> Path:
        """A project in which the CSV file has been run."""
        return self.folder / "project"


@contextmanager
def workbench() -> Generator[Workbench]:
    """Prepare the inputs once."""
    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name, "inputs")
        inputs.mkdir()
        printed, _ = run_process("-m", "benchmarks.cases", synthetic(), inputs)
        bench = Workbench(Path(name), tuple(json.loads(printed)))
        run_process("-m", "benchmarks.bare", "write", bench.csv, bench.plans)
        make_project(bench.project)
        run_pipeline(bench.project, "run", *source(bench.csv))
        yield bench


def all_samplers(bench: Workbench) -> list[Sampler]:
    """List what is measured."""
    return [cases(bench), whole_run(bench), of_what_is_there(bench), commands(bench)]


def cases(bench: Workbench) -> Sampler:
    """Time the transformations beside their twins; see `benchmarks.sample`."""

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        times = time_cases(bench.inputs, wanted)
        return {name: relative(*taken) for name, taken in times.items()}

    return Sampler(bench.cases, take)


def time_cases(
    inputs: Path, names: Sequence[str] = (), again: str = ""
) -> dict[str, list[float]]:
    """Return the CPU seconds of ours, twin, kernel and perhaps ours again, per case."""
    words = ("-m", "benchmarks.sample", inputs, str(N_ROUNDS), again, *names)
    return json.loads(run_process(*words, env=STEADY)[0])


def relative(ours_s: float, twin_s: float, kernel_s: float) -> Sample:
    """Hold the seconds of a case against its references'."""
    return {PANDAS: ours_s / twin_s, KERNEL: ours_s / kernel_s}


def whole_run(bench: Workbench) -> Sampler:
    """Compare a run from nothing with the bare script: CPU time and peak memory."""

    def take(_: Sequence[str]) -> dict[str, Sample]:
        with tempfile.TemporaryDirectory() as name:
            words = ("-m", "benchmarks.bare", "run", bench.plans, Path(name, "bare"))
            bare = run_process(*words, env=TWO_THREADS)[1]
            project = make_project(Path(name, "project"))
            run = run_pipeline(project, "run", *source(bench.csv))
        return {
            RUN: {BARE: run.cpu_s / bare.cpu_s},
            MEMORY: {BARE: run.peak_mib / bare.peak_mib},
        }

    return Sampler((RUN, MEMORY), take)


def of_what_is_there(bench: Workbench) -> Sampler:
    """Compare what begins with published snapshots with the bare script.

    The sweep makes six variants; what is explained is one value of the features. No DRG
    of these rows has 555 discharges in the first year, so that nothing comes out
    otherwise that begins with a count of more than 554. A sample takes many seconds of
    CPU, so two have to do where they show nothing.
    """
    column = "w_mean_cost_lag1"
    row = f"from features where {column} is not null order by all limit 1"
    sql = ("sql", f"select {', '.join(KEY)} {row}", "--format", "csv")
    printed, _ = run_process("-m", "pipeline", *sql, cwd=bench.project)
    values = printed.split()[-1].split(",")
    key = (f"{name}={value}" for name, value in zip(KEY, values, strict=True))
    asks = {
        WHY: ("why", "features", *key, column, *source(bench.csv)),
        SWEEP: (
            *("sweep", "lag_columns.periods=1,2,3", "rolling_columns.window=2,4"),
            *("--profile", "bench"),
        ),
        CUTOFF: ("run", "drop_rare_drgs.min_total=554", *source(bench.csv)),
    }

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        with tempfile.TemporaryDirectory() as folder:
            words = ("-m", "benchmarks.bare", "run", bench.plans, Path(folder, "bare"))
            bare = run_process(*words, env=TWO_THREADS)[1]
            place = Path("configs", "profiles", "bench.yaml")
            profile = {"source": {"use": "csv", "path": str(bench.csv.absolute())}}
            found: dict[str, Sample] = {}
            for name in wanted:
                project = Path(folder, name)
                shutil.copytree(bench.project, project, symlinks=True)
                (project / place).write_text(json.dumps(profile))
                cpu_s = run_pipeline(project, *asks[name]).cpu_s
                found[name] = {BARE: cpu_s / bare.cpu_s}
        return found

    return Sampler(tuple(asks), take, fewest=2)


def commands(bench: Workbench) -> Sampler:
    """Time what should cost next to nothing, beside Python importing its own."""

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        words = {HELP: ("--help",), NOTHING: ("run", *source(bench.csv))}
        bare_s = 0.0
        seconds = dict.fromkeys(wanted, 0.0)
        for _ in range(N_STARTS):
            bare_s += run_process("-c", IMPORTS)[1].cpu_s
            for name in wanted:
                seconds[name] += run_pipeline(bench.project, *words[name]).cpu_s
        return {name: {PYTHON: taken / bare_s} for name, taken in seconds.items()}

    return Sampler((HELP, NOTHING), take)


def structure(bench: Workbench, *words: str) -> dict[str, float]:
    """Count scans, sinks and rows of one pass."""
    with tempfile.TemporaryDirectory() as folder:
        run = ("-m", "benchmarks.structure", bench.csv, folder, *words)
        return json.loads(run_process(*run, env=STEADY)[0])


def run_pipeline(project: Path, *words: str) -> Timing:
    """Run a command of the pipeline in a project."""
    return run_process("-m", "pipeline", *words, cwd=project, env=TWO_THREADS)[1]


def source(csv: Path) -> tuple[str, str]:
    """Name a CSV file as the source."""
    return "source=csv", f"source.path={csv.absolute()}"


def make_project(folder: Path) -> Path:
    """Copy what the user wrote, so that runs and snapshots of it are left alone."""
    for name in ("configs", "transforms"):
        if (ROOT / name).is_dir():  # the project may have none of its own
            shutil.copytree(ROOT / name, folder / name)
    return folder
