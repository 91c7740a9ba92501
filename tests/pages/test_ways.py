import pytest

from pipeline.lineage.graph import Column, Edge, Lineage, TracedStage
from pipeline.pages.facts import Facts
from pipeline.pages.ways import MAX_BOXES, Ways


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
    assert ways.graph(source) == expected
    assert ways.graph(lag) == expected
    assert ways.back(cost) == [cost, source]


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


def test_a_column_decides_where_it_is_not_in_the_value(ways: Ways) -> None:
    [rare] = ways.decides(Column("source", "Discharges"))
    assert (rare.stage, rare.rows, rare.columns) == ("drop_rare_drgs", ["filter"], {})
    by_year = {of.stage: of for of in ways.decides(Column("source", "Year"))}
    lagged = by_year["lag_columns"].columns
    lag = Column("lag_columns", "mean_cost_lag1")
    assert any(lag in columns for columns in lagged.values())


def test_a_count_is_made_of_what_decides_it() -> None:
    edges = [
        Edge("count", "n", "source", "key", "group_by"),
        Edge("count", "key", "source", "key", "identity"),
    ]
    stages = {"count": TracedStage("count", ["source"], "counts", ["key", "n"])}
    ways = Ways(Lineage(["key"], stages, edges))
    n = Column("count", "n")
    assert ways.graph(n) == {Column("source", "key"): [], n: [Column("source", "key")]}
    assert ways.sources_of(n) == ([Column("source", "key")], False)
    assert ways.decided(n) is None
    assert ways.shown(ways.on(Column("source", "key")), "counts") == ["key", "n"]


def test_of_a_long_way_those_next_to_the_column_are_drawn() -> None:
    n = MAX_BOXES + 5
    edges = [
        Edge(f"s{i}", f"c{i}", f"s{i - 1}", f"c{i - 1}", "aggregation")
        for i in range(1, n)
    ]
    edges.insert(0, Edge("s0", "c0", "source", "c", "aggregation"))
    stages = {
        f"s{i}": TracedStage("t", [f"s{i - 1}" if i else "source"], None, [f"c{i}"])
        for i in range(n)
    }
    ways = Ways(Lineage(["c"], stages, edges))
    last = Column(f"s{n - 1}", f"c{n - 1}")
    graph = ways.graph(last)
    assert [*graph][-1] == last
    assert len(graph) == MAX_BOXES
    assert ways.n_left_out(last) == n + 1 - MAX_BOXES
