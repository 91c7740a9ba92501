import gc
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb  # noqa: F401  # connections can do then what tests ask of them
import pytest
from hypothesis import settings

from pipeline.files import local
from pipeline.plan import content
from pipeline.plan.settings import Settings, load_settings

# On a busy machine, any example may take longer than Hypothesis would wait.
settings.register_profile("quick", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("quick")

# As a command does: most of what tests make goes by itself.
gc.set_threshold(50_000)

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "tests" / "project"
LEAN = ROOT / "tests" / "lean"  # five stages, where what is run does not matter
GOLDEN = ROOT / "tests" / "golden"

# Where what a run publishes matters more than what it computes.
TWO_ROWS = """Year,Facility Id,Facility Name,APR DRG Code,APR DRG Description,\
APR Severity of Illness Code,APR Severity of Illness Description,\
APR Medical Surgical Code,APR Medical Surgical Description,Discharges,\
Mean Charge,Median Charge,Mean Cost,Median Cost
2009,1,One,53,Seizure,1,Minor,M,Medical,600,4.0,3.0,2.0,1.0
2010,1,One,53,Seizure,1,Minor,M,Medical,700,8.0,7.0,6.0,5.0
"""


def make_project(root: Path, n_rows: int | None = None, of: Path = PROJECT) -> Path:
    """Make the tests' own project in a folder, with golden rows as data/raw.csv."""
    for folder in ("configs", "queries", "transforms"):
        if (of / folder).is_dir():  # few need transformations of their own
            shutil.copytree(of / folder, root / folder)
    (root / "justfile").touch()
    (root / "data").mkdir()
    lines = (GOLDEN / "raw.csv").read_text().splitlines(keepends=True)
    kept = lines if n_rows is None else lines[: n_rows + 1]
    (root / "data" / "raw.csv").write_text("".join(kept))
    return root


def golden_settings_of(root: Path) -> Callable[..., Settings]:
    """Load a project's settings, reading the golden raw rows."""

    def settings(*overrides: str, profile: str | None = None) -> Settings:
        source = ("source=csv", f"source.path={GOLDEN / 'raw.csv'}")
        return load_settings(root, profile=profile, overrides=(*source, *overrides))

    return settings


def without_added() -> tuple[str, ...]:
    """Take the stages out that were added to those that are shipped.

    For what changes the values of these: an added one may need what they make else.
    """
    shipped = {stage.name for stage in load_settings(PROJECT).stages}
    names = [stage.name for stage in load_settings(ROOT).stages]
    return tuple(f"stages.{name}=null" for name in names if name not in shipped)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let it be two seconds later where files are looked at, without a pause.

    Until a second is over, a file may change without another time. What a process has
    loaded is of before it began, and of the files that are there.
    """
    monkeypatch.setattr(content, "forget_racy_modules", lambda: False)

    def later() -> None:
        clock = SimpleNamespace(time_ns=lambda: time.time_ns() + 2 * 10**9)
        monkeypatch.setattr(local, "time", clock)
        monkeypatch.setattr(content, "STARTED_NS", time.time_ns() + 4 * 10**9)

    return later


@pytest.fixture
def golden_settings() -> Callable[..., Settings]:
    """The tests' own project on the golden raw rows, by profile and overrides."""
    return golden_settings_of(PROJECT)


@pytest.fixture
def shipped_settings() -> Callable[..., Settings]:
    """The shipped project, whatever its user adds, on the golden raw rows."""
    return golden_settings_of(ROOT)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project to run and to spoil, with the golden rows as data/raw.csv."""
    return make_project(tmp_path)


@pytest.fixture
def settled(project: Path, later: Callable[[], None]) -> Path:
    """A project with state, whose files are older than the process."""
    (project / ".pipeline").mkdir()
    later()
    return project


@pytest.fixture
def load(project: Path) -> Callable[..., Settings]:
    """Load the settings of `project`, reading its data/raw.csv."""

    def settings(*overrides: str, profile: str | None = None) -> Settings:
        words = ("source=csv", "source.path=data/raw.csv", *overrides)
        return load_settings(project, profile=profile, overrides=words)

    return settings
