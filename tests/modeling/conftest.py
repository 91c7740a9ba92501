import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import polars as pl
import pytest
from filelock import FileLock

from pipeline.files.manifest import write_manifest
from pipeline.modeling.audit.audit import Audit
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.bundle.bundle import Bundle, load_bundle
from pipeline.modeling.bundle.parts import answer_files
from pipeline.modeling.data import read_rows
from pipeline.modeling.forecast import forecast
from pipeline.modeling.promote import promote
from pipeline.modeling.registry.registry import Version
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.tracking.tracking import environment, store_uri, tracking
from tests.conftest import make_project

Load: TypeAlias = Callable[..., ModelingSettings]


def load_in(root: Path, *overrides: str) -> ModelingSettings:
    """Settings of the profile `ci` that read the golden rows of a project."""
    words = ("source=csv", "source.path=data/raw.csv", *overrides)
    return load_modeling(root, profile="ci", overrides=words)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Let cards have empty charts: to draw them takes longer than to train."""
    patch.setattr("pipeline.modeling.card.charts.to_svg", lambda chart: "<svg/>")


def hold_all(patch: pytest.MonkeyPatch) -> None:
    """Let bundles hold the whole panel: to find out what they need takes seconds."""
    kept = "pipeline.modeling.registry.pack._needed_periods"
    patch.setattr(kept, lambda bundle, panel: panel)


def audit_nothing(patch: pytest.MonkeyPatch) -> None:
    """Let features pass unseen: to audit them takes more than all that tests do then.

    What a model may learn from is tested in `audit/`, and by whoever promotes a leak.
    """
    passed = Audit([], features=[], times=[], n_values=0, of_names=[], part=1.0)
    patch.setattr("pipeline.modeling.audit.guard.audit", lambda *_, **__: passed)


def forecast_here(patch: pytest.MonkeyPatch) -> None:
    """Let bundles be used in this process, not in one that imports all anew."""

    def bundle_of(settings: ModelingSettings, version: Version) -> Bundle:
        version.hold()
        bundle = load_bundle(version.folder / "artifacts" / "bundle")
        names = bundle.record.others
        return bundle.beside({n: read_rows(settings.pipeline, n) for n in names})

    def forecast_here(
        settings: ModelingSettings, version: Version, rows: pl.DataFrame, *, alone: bool
    ) -> pl.DataFrame:
        return bundle_of(settings, version).forecast(rows, alone=alone)

    def backtest_here(
        settings: ModelingSettings,
        version: Version,
        rows: pl.DataFrame,
        periods: pl.Series,
    ) -> pl.DataFrame:
        return bundle_of(settings, version).backtest(rows, periods.to_list())

    def answer_here(
        settings: ModelingSettings,
        version: Version,
        given: Path,
        work: Path,
        *,
        alone: bool,
    ) -> None:
        files, engine = sorted(given.iterdir()), settings.pipeline.engine
        answer_files(bundle_of(settings, version), files, work, engine, alone=alone)

    patch.setattr("pipeline.modeling.score_files.forecast_files_apart", answer_here)
    for module in ("forecast", "score"):
        patch.setattr(f"pipeline.modeling.{module}.forecast_apart", forecast_here)
    patch.setattr("pipeline.modeling.promote.backtest_apart", backtest_here)


@pytest.fixture(autouse=True)
def charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no charts; the tests of cards do."""
    draw_nothing(monkeypatch)


@pytest.fixture(autouse=True)
def context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bundles hold the whole panel; what is `packed` or `promoted` needs less."""
    hold_all(monkeypatch)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use bundles in this process."""
    forecast_here(monkeypatch)


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """Make a folder in one of the processes that test; the others copy it."""
    own = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return own
    shared = factory.getbasetemp().parent / name
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            make(own)
            shutil.copytree(own, half := shared.with_suffix(".half"), symlinks=True)
            half.rename(shared)
            return own
    return shutil.copytree(shared, own, symlinks=True, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with snapshots and an empty store of MLflow's, made once: seconds."""

    def make(root: Path) -> None:
        learnable_features(load_in(make_project(root)))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment().items():
                patch.setenv(name, value)
            from mlflow import MlflowClient

            (root / ".pipeline" / "mlflow").mkdir()
            MlflowClient(store_uri(root)).search_experiments()

    return made_once(tmp_path_factory, "prepared", make)


LENIENT = (
    "modeling.baselines=[last_value]",
    "modeling.promotion.max_bias=0.99",
    "modeling.promotion.max_coverage_gap=0.5",
    "modeling.promotion.max_slice_loss=0.99",
)
"""With these, ridge becomes champion on the golden rows."""


@pytest.fixture(scope="session")
def promoted(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion (version 1) and its forecast; not to change."""

    def make(root: Path) -> None:
        shutil.copytree(prepared, root, dirs_exist_ok=True)
        settings = load_in(root, *LENIENT)
        with pytest.MonkeyPatch.context() as patch:
            draw_nothing(patch)
            assert promote(settings, "ridge").is_champion
        forecast(settings)

    return made_once(tmp_path_factory, "promoted", make)


class Packed(NamedTuple):
    """A bundle, and the raw rows it was packed with."""

    bundle: Bundle
    rows: pl.DataFrame


@pytest.fixture(scope="session")
def packed(promoted: Path) -> Packed:
    """The champion's bundle; not to change."""
    settings = load_in(promoted, *LENIENT)
    bundle = load_bundle(champion_folder(promoted) / "artifacts" / "bundle")
    rows = read_rows(settings.pipeline).select(list(bundle.record.columns))
    return Packed(bundle, rows)


def champion_folder(root: Path) -> Path:
    """Find what MLflow keeps of a project's champion."""
    settings = load_in(root)
    with tracking(settings) as store:
        client, name = store.client, settings.modeling.name
        source = client.get_model_version_by_alias(name, "champion").source
    model = str(source).rpartition("/")[2]
    return root / ".pipeline" / "mlflow" / "artifacts" / "models" / model / "artifacts"


def register_as_it_is(root: Path) -> None:
    """Let the champion's files, as they are now, be those that were registered."""
    settings, digest = load_in(root), write_manifest(champion_folder(root))
    with tracking(settings) as store:
        version = store.client.get_model_version_by_alias(
            settings.modeling.name, "champion"
        )
        store.client.set_model_version_tag(
            settings.modeling.name, version.version, "manifest", digest
        )


@pytest.fixture
def copied(promoted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the settings of a copy of the project with a champion."""
    audit_nothing(monkeypatch)
    shutil.copytree(promoted, tmp_path, dirs_exist_ok=True, symlinks=True)
    return lambda *overrides: load_in(tmp_path, *LENIENT, *overrides)


@pytest.fixture
def ml(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the settings of a copy of the prepared project."""
    audit_nothing(monkeypatch)
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return lambda *overrides: load_in(tmp_path, *overrides)
