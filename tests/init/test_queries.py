from pathlib import Path

import pytest

from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.queries import load_query, query_names
from pipeline.snapshots.sql import connect, run_query
from pipeline.snapshots.store import open_store
from tests.init.tables import MONTHS, made, panel


@pytest.mark.parametrize("names", ["month,shop,sold", 'at,"Order ""no""",Left'])
def test_questions_have_answers_whatever_the_names(tmp_path: Path, names: str) -> None:
    made(tmp_path, panel(tmp_path / "order.csv", MONTHS, names=names))
    run(load_settings(tmp_path))
    folder = tmp_path / "queries"
    assert query_names(folder) == ["biggest_movers", "forecast", "rows_per_period"]
    with connect(open_store(tmp_path)) as con:
        by_period = run_query(con, load_query(folder, "rows_per_period"), {}).fetchall()
        assert len(by_period) == 40
        assert by_period[0][1:4] == (3, 21, 7.0)
        movers = load_query(folder, "biggest_movers")
        changes = [row[-1] for row in run_query(con, movers, {}).fetchall()]
        assert len(changes) == 3
        assert changes == sorted(changes, key=abs, reverse=True)
