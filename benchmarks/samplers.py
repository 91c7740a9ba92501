"""What the regression check measures: figures relative to references, per process."""

import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.features import FEATURES, FLOOR, timed
from benchmarks.figures import ROWS, figures_of
from benchmarks.processes import ROOT, STEADY, Timing, run_process, synthetic
from benchmarks.projects import make_project
from benchmarks.records import BenchmarkFigure
from benchmarks.scale import ONE_PASS
from benchmarks.semantics import KEY
from benchmarks.serving import SERVING, ask_server, print_bodies, served
from benchmarks.verdict import FEWEST, MOST

TRANSFORMS = "transformations"
PIPELINE = "just pipeline"
PANDAS, KERNEL, BARE, PYTHON = "pandas", "kernel", "bare script", "Python's imports"
RUN, MEMORY, HELP, NOTHING = "just run", "its memory", "--help", "nothing to do"
SWEEP, CUTOFF, WHY = "just sweep", "early cutoff", "just why"
COLUMN = "w_mean_cost_lag1"
STATEMENT = "select year, avg(w_mean_cost_lag1) from features group by all order by all"
"""What is asked of the snapshots."""

ASKED = {
    HELP: ("--help",),
    NOTHING: ("run",),
    "just sql": ("sql", STATEMENT),
    "just query": ("query", "costliest_drgs"),
    "just history": ("history",),
    "just runs": ("runs",),
    "just config": ("config",),
    "just plan": ("plan",),
    "just lineage": ("lineage", f"features.{COLUMN}"),
    "just show": ("show", "lag_columns"),
    "a mistake in a name": ("show", "lag_columnz"),
    "completion of a name": ("complete", "--", "sql", "from fea"),
}
"""What one types all day; `WHY` has words of its own in each project."""

FEW_ROWS = Path("tests/golden/raw.csv")
"""As the profile `ci` names it."""

N_ROUNDS = 8
N_FILES = 300
_ASKED_S = 3
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
    most: int = MOST
    """Samples after which what looks slower is slower."""


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
        run_pipeline(make_project(bench.project, bench.csv), "run")
        yield bench


def all_samplers(bench: Workbench) -> list[Sampler]:
    """List what is measured."""
    return [
        cases(bench),
        over_floor(),
        whole_run(bench),
        many(bench),
        of_what_is_there(bench),
        commands(bench),
        modeling(bench),
    ]


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


def transformations(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time the transformations beside their twins, as the check does."""
    rounds: dict[str, list[list[float]]] = {}
    with workbench() as bench:
        for _ in range(n_runs):
            for name, fastest in time_cases(bench.inputs).items():
                rounds.setdefault(name, []).append(fastest)
    for name, taken in rounds.items():
        timings = {
            who: [Timing(r[i], r[i], 0) for r in taken]
            for i, who in enumerate(("polars", PANDAS))
        }
        for figure in figures_of(f"{TRANSFORMS}: {name}", ROWS, timings):
            yield msgspec.structs.replace(
                figure, wall_s=None, peak_mib=None, wall_x=None
            )


def over_floor() -> Sampler:
    """Compare all features with what Polars takes to read and to group, of all rows."""

    def take(_: Sequence[str]) -> dict[str, Sample]:
        csv = synthetic()
        ours, floor = (timed(name, csv).cpu_s for name in ("pipeline", FLOOR))
        return {FEATURES: {FLOOR: ours / floor}}

    return Sampler((FEATURES,), take)


def whole_run(bench: Workbench) -> Sampler:
    """Compare a run from nothing with the bare script: CPU time and peak memory."""

    def take(_: Sequence[str]) -> dict[str, Sample]:
        with tempfile.TemporaryDirectory() as name:
            words = ("-m", "benchmarks.bare", "run", bench.plans, Path(name, "bare"))
            bare = run_process(*words, env=TWO_THREADS)[1]
            project = make_project(Path(name, "project"), bench.csv)
            run = run_pipeline(project, "run")
        return {
            RUN: {BARE: run.cpu_s / bare.cpu_s},
            MEMORY: {BARE: run.peak_mib / bare.peak_mib},
        }

    return Sampler((RUN, MEMORY), take)


def many(bench: Workbench) -> Sampler:
    """Compare runs in many parts, and of many files, with one pass over one file."""
    files = bench.folder / "files"
    files.mkdir()
    run_process("-m", "benchmarks.prepare", "split", bench.csv, files, str(N_FILES))
    there = {
        "8 parts": (bench.csv, "engine.partitions=8"),
        "64 parts": (bench.csv, "engine.partitions=64"),
        f"{N_FILES} files": (files / "*.csv", "engine.partitions=1"),
    }

    def run(file: Path, *words: str) -> float:
        with tempfile.TemporaryDirectory() as name:
            project = make_project(Path(name, "project"), file)
            return run_pipeline(project, "run", *words).cpu_s

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        one_pass = run(bench.csv, "engine.partitions=1")
        return {name: {ONE_PASS: run(*there[name]) / one_pass} for name in wanted}

    return Sampler(tuple(there), take, fewest=2)


def of_what_is_there(bench: Workbench) -> Sampler:
    """Compare what begins with published snapshots with the bare script.

    The sweep makes six variants. No DRG of these rows has 555 discharges in the first
    year, so that nothing comes out otherwise that begins with a count of more than 554.
    A sample takes many seconds of CPU, so few have to do where they show nothing.
    """
    asked = {
        SWEEP: ("sweep", "lag_columns.periods=1,2,3", "rolling_columns.window=2,4"),
        CUTOFF: ("run", "drop_rare_drgs.min_total=554"),
    }

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        with tempfile.TemporaryDirectory() as folder:
            words = ("-m", "benchmarks.bare", "run", bench.plans, Path(folder, "bare"))
            bare = run_process(*words, env=TWO_THREADS)[1]
            found: dict[str, Sample] = {}
            for name in wanted:
                project = Path(folder, name)
                shutil.copytree(bench.project, project, symlinks=True)
                cpu_s = run_pipeline(project, *asked[name]).cpu_s
                found[name] = {BARE: cpu_s / bare.cpu_s}
        return found

    return Sampler(tuple(asked), take, fewest=2)


def asks(project: Path) -> dict[str, tuple[str, ...]]:
    """Name what one types all day, and its words, in a project that has run.

    What is explained is one value of the features.
    """
    row = f"from features where {COLUMN} is not null order by all limit 1"
    sql = ("sql", f"select {', '.join(KEY)} {row}", "--format", "csv")
    printed, _ = run_process("-m", "pipeline", *sql, cwd=project)
    values = printed.split()[-1].split(",")
    key = (f"{name}={value}" for name, value in zip(KEY, values, strict=True))
    return ASKED | {WHY: ("why", "features", *key, COLUMN)}


def commands(bench: Workbench) -> Sampler:
    """Time what should cost next to nothing, beside Python importing its own."""
    asked = asks(bench.project)
    for words in asked.values():  # what is kept between commands is there afterwards
        run_process("-m", "pipeline", *words, cwd=bench.project, codes=(0, 1, 2))

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        bare_s = run_process("-c", IMPORTS)[1].cpu_s
        found: dict[str, Sample] = {}
        for name in wanted:
            words = ("-m", "pipeline", *asked[name])
            # A mistake's exit code is an answer, too.
            codes = (0, 1, 2)
            done = run_process(*words, cwd=bench.project, env=TWO_THREADS, codes=codes)
            found[name] = {PYTHON: done[1].cpu_s / bare_s}
        return found

    return Sampler(tuple(asked), take)


def modeling(bench: Workbench) -> Sampler:
    """Compare all steps up to the forecast, on few rows, with the bare script.

    And a request to the server of that champion with Python's imports.
    """

    def take(wanted: Sequence[str]) -> dict[str, Sample]:
        with tempfile.TemporaryDirectory() as name:
            words = ("-m", "benchmarks.bare", "run", bench.plans, Path(name, "bare"))
            bare = run_process(*words, env=TWO_THREADS)[1]
            project = make_project(Path(name, "project"), bench.csv)
            (project / FEW_ROWS.parent).mkdir(parents=True)
            shutil.copy(ROOT / FEW_ROWS, project / FEW_ROWS)
            made = run_pipeline(project, "pipeline", "--profile", "ci")
            found = {PIPELINE: {BARE: made.cpu_s / bare.cpu_s}}
            if SERVING in wanted:
                imports = run_process("-c", IMPORTS)[1]
                bodies = print_bodies(project, "ci")
                with served(project, "--profile", "ci") as server:
                    asked = ask_server(server, bodies, 1, _ASKED_S)[50]
                found[SERVING] = {PYTHON: asked.cpu_s / imports.cpu_s}
        return {name: found[name] for name in wanted}

    return Sampler((PIPELINE, SERVING), take, fewest=2, most=4)


def structure(bench: Workbench, *words: str) -> dict[str, float]:
    """Count scans, sinks and rows of one pass."""
    with tempfile.TemporaryDirectory() as folder:
        run = ("-m", "benchmarks.structure", bench.csv, folder, *words)
        return json.loads(run_process(*run, env=STEADY)[0])


def run_pipeline(project: Path, *words: str) -> Timing:
    """Run a command of the pipeline in a project."""
    return run_process("-m", "pipeline", *words, cwd=project, env=TWO_THREADS)[1]
