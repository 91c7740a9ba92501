"""What Tab offers: tables, the columns of a table or its alias, words of SQL."""

from pathlib import Path

import pytest

from pipeline.snapshots.complete import Known, completions, known
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store

KNOWN = Known(
    {
        "features": ["year", "mean_cost", '"my cost"'],
        "meta.runs": ["run_id"],
        '"odd table"': ["x"],
    },
    ["from", "mean", "median"],
)


@pytest.mark.parametrize(
    ("text", "statement", "expected"),
    [
        ("fea", "from fea", ["features"]),
        ("FEA", "FROM FEA", ["features"]),
        ("me", "select me", ["meta.runs", "mean_cost", "mean", "median"]),
        ("ME", "SELECT ME", ["meta.runs", "mean_cost", "MEAN", "MEDIAN"]),
        ("fro", "select 1 fro", ["from"]),
        ("me", "from me", ["meta.runs"]),
        ("ME", "FROM features f, ME", ["meta.runs"]),
        ("me", "from features as f join me", ["meta.runs"]),
        ("me", "from features where me", ["meta.runs", "mean_cost", "mean", "median"]),
        ("med", "from med", ["median"]),
        ("meta.r", "from meta.r", ["meta.runs"]),
        ("meta.runs.", "select meta.runs. from meta.runs", ["meta.runs.run_id"]),
        (
            "features.m",
            "select features.m from features",
            [
                "features.mean_cost",
                'features."my cost"',
            ],
        ),
        ("f.y", "select f.y from features as f", ["f.year"]),
        ("F.y", "select F.y from meta.runs r, features F", ["F.year"]),
        ("r.", "select r. from features f join meta.runs r", ["r.run_id"]),
        ("t.", 'select t. from "odd table" t', ["t.x"]),
        ("g.y", "select g.y from features f", []),
        ("my", "select my", ['"my cost"']),
        ("odd", "from odd", ['"odd table"']),
    ],
)
def test_names_come_before_words(
    text: str, statement: str, expected: list[str]
) -> None:
    before = statement[: statement.index(text)]
    assert completions(text, before, statement, KNOWN) == expected


def test_nothing_that_is_typed_offers_names_alone() -> None:
    assert completions("", "select ", "select ", KNOWN) == [
        *KNOWN.tables,
        "year",
        "mean_cost",
        '"my cost"',
        "run_id",
        "x",
    ]


def test_what_there_is_is_known(published: Path) -> None:
    with connect(open_store(published)) as con:
        there = known(con)
        columns = con.sql("FROM discharges").columns
    assert there.tables["discharges"] == columns
    assert "run_id" in there.tables["meta.runs"]
    assert {"select", "median", "date_trunc"} <= {*there.words}
