"""What came of files is a snapshot that SQL can ask, and that later runs keep."""

from pathlib import Path

import polars as pl
import pytest

from pipeline import Project
from pipeline.errors import ModelError
from pipeline.modeling.score_files import score_files
from pipeline.modeling.scored import publish_scored, refuse_name
from pipeline.run.run import run
from tests.conftest import GOLDEN
from tests.modeling.conftest import Load


@pytest.mark.usefixtures("here")
def test_what_is_scored_stays_until_it_is_replaced(
    copied: Load, tmp_path: Path
) -> None:
    settings, file = copied(), tmp_path / "it's new.csv"
    raw = pl.read_csv(GOLDEN / "raw.csv", infer_schema=False)
    raw.tail(60).write_csv(file)
    with score_files(settings, str(file)) as scored:
        rows = scored.predictions().collect()
        first = publish_scored(settings, scored, "of_april")
        again = publish_scored(settings, scored, "of_april")
    assert first < again
    project = Project(tmp_path, profile="ci")
    assert project.sql("from of_april").equals(rows)
    assert rows["prediction"].count()
    [shown] = project.sql(
        "select version, file, scored.n_rows, length(sha256) from meta.scored"
        " join meta.snapshots using (snapshot, run_id)"
        f" where run_id = '{first}' and state = 'computed'"
    ).rows()
    assert shown == (1, "it's new.csv", 60, 64)
    # A run of other rows leaves a forecast out, but this is of a file.
    rare = settings.pipeline.root / "data" / "raw.csv"
    rare.write_text("\n".join(rare.read_text().splitlines()[:-40]) + "\n")
    names = {s.name for s in run(copied().pipeline).run.snapshots}
    assert "of_april" in names
    assert "predictions" not in names
    assert project.sql("from of_april").equals(rows)
    for taken in ("features", "predictions", "quarantine", "main", "a b", "x;drop"):
        with pytest.raises(ModelError, match="cannot be the name of what is scored"):
            refuse_name(settings, taken)
