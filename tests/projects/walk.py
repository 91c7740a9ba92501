"""From a file to a forecast: what `init` writes, an edit in YAML, and all steps."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars as pl

from pipeline.modeling.audit.guard import audit_all
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.forecast import forecast
from pipeline.modeling.promote import promote
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.run.run import run
from pipeline.snapshots.queries import load_query, query_names
from pipeline.snapshots.sql import connect, run_query
from pipeline.snapshots.store import open_store
from tests.init.tables import made

MOST_LINES = 40


@dataclass(frozen=True)
class Walked:
    """What the steps came to."""

    settings: ModelingSettings
    leaks: list[str]
    comparison: pl.DataFrame
    predictions: pl.DataFrame

    def table(self, name: str) -> pd.DataFrame:
        """Read a snapshot, indexed by entity and time."""
        with connect(open_store(self.settings.root)) as con:
            rows = con.sql(f"from {name}").pl()
        return rows.to_pandas().set_index(self.settings.modeling.key).sort_index()

    def gain(self, baseline: str) -> float:
        """Say by which part the model's error is smaller than a baseline's."""
        row = self.comparison.filter(slice_by="all", reference=baseline)
        return 1 - row["value"].item() / row["reference_value"].item()

    def answers(self) -> dict[str, int]:
        """Ask all queries, and count the rows of their answers."""
        folder = self.settings.root / "queries"
        with connect(open_store(self.settings.root)) as con:
            return {
                name: len(run_query(con, load_query(folder, name), {}).fetchall())
                for name in query_names(folder)
            }


def project(root: Path, edit: str, *files: Path, **wishes: str) -> ModelingSettings:
    """Make a project by `init`, and edit it; it is Python nowhere."""
    assert edit.count("\n") <= MOST_LINES
    made(root, *files, **wishes)
    (root / "configs" / "profiles").mkdir()
    (root / "configs" / "profiles" / "own.yaml").write_text(edit)
    return load_modeling(root, profile="own")


def walk(settings: ModelingSettings) -> Walked:
    """Go all steps but the study."""
    run(settings.pipeline)
    leaks = [leak.column for leak in audit_all(settings).leaks]
    evaluation = evaluate(settings, settings.modeling.model)
    promotion = promote(settings, settings.modeling.model, withdraw=False)
    assert promotion.is_champion, promotion.reasons
    made = forecast(settings).predictions
    return Walked(settings, leaks, evaluation.table("comparison"), made)
