"""A lean project that has run, been exported and locked; no test publishes anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plan.settings import load_settings
from pipeline.review.review import Review, review
from pipeline.run.lock import lock_of, write_lock
from pipeline.run.run import run
from pipeline.snapshots.export import export
from pipeline.snapshots.store import open_store
from tests.conftest import LEAN, make_project

SOURCE = ("source=csv", "source.path=data/raw.csv")

Reviewed = Callable[..., Review]


@pytest.fixture(scope="session")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project; an export of it is beside it, as before.duckdb."""
    root = make_project(tmp_path_factory.mktemp("review"), n_rows=400, of=LEAN)
    (root / "queries" / "costs.sql").write_text(
        "-- question: What does it cost?\n"
        "SELECT year, sum(mean_cost_lag1) AS cost FROM features GROUP BY year\n"
    )
    (root / "queries" / "runs.sql").write_text(
        "-- question: How many runs?\nSELECT count(*) AS n FROM meta.runs, drgs\n"
    )
    (root / "queries" / "n_rows.sql").write_text(
        "-- question: How many rows?\nSELECT count(*) AS n FROM features\n"
    )
    (root / "queries" / "forecast.sql").write_text(  # there are no predictions yet
        "-- question: What is forecast?\n"
        "SELECT p.*, f.mean_cost_lag1 FROM predictions p JOIN features f USING (year)\n"
    )
    (root / "queries" / "by_name.sql").write_text(
        "-- question: What is in a column of a name?\n"
        "-- param: of VARCHAR = (SELECT 'mean_cost' FROM meta.runs) -- of which\n"
        "SELECT COLUMNS(lambda c: c = $of || '_lag1') FROM features\n"
    )
    report = run(load_settings(root, overrides=SOURCE))
    write_lock(root, lock_of(report))
    export(open_store(root).catalog, root / "before.duckdb")
    return root


@pytest.fixture
def review_of(reviewed: Path) -> Reviewed:
    def made(*words: str, against: str = "latest") -> Review:
        settings = load_settings(reviewed, overrides=(*SOURCE, *words))
        return review(settings, "features", against)

    return made
