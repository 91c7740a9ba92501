import pytest

from pipeline.lineage.graph import Column
from pipeline.pages.facts import Facts
from pipeline.pages.ways import Ways, before


@pytest.fixture
def ways(facts: Facts) -> Ways:
    return Ways(facts.lineage)


def test_a_column_is_where_it_was_made(ways: Ways) -> None:
    made = ways.made_at[Column("lag_columns", "mean_cost")]
    assert made == Column("sanitize_column_names", "mean_cost")
    assert ways.published[made] == ["discharges", "features"]
    assert ways.made_at[Column("source", "Mean Cost")] == Column("source", "Mean Cost")


def test_a_graph_leads_from_the_source_to_what_is_made(ways: Ways) -> None:
    cost = Column("sanitize_column_names", "mean_cost")
    lag = Column("lag_columns", "mean_cost_lag1")
    source = Column("source", "Mean Cost")
    expected = {source: [], cost: [source], lag: [cost]}
    assert ways.graph("source.Mean Cost") == expected
    assert ways.graph("features.mean_cost_lag1") == expected
    assert before(expected, cost) == [cost, source]


def test_what_decides_rows_is_told_by_stage_and_kind(ways: Ways) -> None:
    [rare] = [of for of in ways.rows("lag_columns") if of.stage == "drop_rare_drgs"]
    code = Column("sanitize_column_names", "apr_drg_code")
    assert code in rare.by["join"]
    assert ways.rows_of("drop_rare_drgs") == rare
    assert ways.rows_of("drop_description_columns") is None


def test_what_decides_a_value_without_being_in_it(ways: Ways) -> None:
    lag = Column("lag_columns", "mean_cost_lag1")
    [decided] = ways.deciders([lag])
    by = {at.column for columns in decided.by.values() for at in columns}
    assert "year" in by
    assert "mean_cost" not in by
