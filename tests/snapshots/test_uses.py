"""Which columns a query needs, whatever way it names them."""

from pathlib import Path

import pytest

from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from pipeline.snapshots.uses import plannable, uses

QUERIES = {
    "named": "SELECT sum(mean_cost) FROM discharges",
    "as_another": "SELECT 1 AS mean_cost, year FROM discharges ORDER BY mean_cost",
    "all_of_it": "SELECT * FROM discharges",
    "in_a_cte": "WITH a AS (FROM discharges) SELECT max(mean_cost) FROM a",
    "but_unused": "WITH a AS (FROM discharges) SELECT max(year) FROM a",
    "counted": "SELECT count(*) FROM discharges",
    "by_a_lambda": (
        "-- param: name VARCHAR = 'mean_cost' -- which\n"
        "SELECT COLUMNS(lambda c: c = $name) FROM discharges"
    ),
    "of_another": "SELECT mean_cost FROM (SELECT 1 AS mean_cost), drgs",
    "broken": "SELECT mean_cost FROM discharges JOIN no_such_table USING (year)",
}


@pytest.mark.parametrize(
    ("column", "sure", "perhaps"),
    [
        (
            "mean_cost",
            {"named", "all_of_it", "in_a_cte", "by_a_lambda"},
            {"broken"},
        ),
        ("year", {"as_another", "all_of_it", "but_unused"}, {"broken"}),
    ],
)
def test_a_query_needs_what_its_plan_reads(
    published: Path, tmp_path: Path, column: str, sure: set[str], perhaps: set[str]
) -> None:
    for name, sql in QUERIES.items():
        text = f"-- question: What of {name}?\n{sql}\n"
        (tmp_path / f"{name}.sql").write_text(text)
    asked = {"discharges": [column, "no longer there"], "drgs": []}
    with connect(open_store(published)) as con:
        assert plannable(con, tmp_path) == QUERIES.keys() - {"broken"}
        found = uses(con, tmp_path, asked)
    assert {use.query for use in found if use.is_sure} == sure
    assert {use.query for use in found if not use.is_sure} == perhaps
    assert {(use.snapshot, use.column) for use in found} == {("discharges", column)}
