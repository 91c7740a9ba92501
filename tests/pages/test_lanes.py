import pytest

from pipeline.pages.lanes import Row, depth_first, lay_out


def test_a_chain_stays_in_one_lane() -> None:
    graph = lay_out({"a": [], "b": ["a"], "c": ["b"]})
    assert graph.n_lanes == 1
    assert graph.rows[1] == Row("b", 0, (0,), (), goes=True)


def test_what_goes_on_passes_beside_a_branch_that_ends() -> None:
    graph = lay_out({"a": [], "end": ["a"], "on": ["a"]})
    assert graph.rows[1] == Row("end", 1, (0,), (0,), goes=False)
    assert graph.rows[2] == Row("on", 0, (0,), (), goes=False)


def test_two_ways_come_together() -> None:
    graph = lay_out({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c", "elsewhere"]})
    assert graph.rows[-1].comes == (0, 1)
    assert graph.n_lanes == 2


def test_what_fans_out_needs_few_lanes_depth_first() -> None:
    fan = {"a": [], **{f"b{i}": ["a"] for i in range(5)}}
    fan |= {f"c{i}": [f"b{i}"] for i in range(5)}
    assert lay_out(fan).n_lanes > 4
    ordered = depth_first(fan)
    assert [*ordered][:3] == ["a", "b0", "c0"]
    assert lay_out(ordered).n_lanes == 2
    both = {"a": [], "b": ["a"], "c": ["a"], "d": ["c", "b"]}
    assert [*depth_first(both)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("n", [2, 7])
def test_every_arrow_has_a_lane_of_its_own_all_the_way(n: int) -> None:
    inputs: dict[int, list[int]] = {i: [] for i in range(n)}
    inputs |= {n + i: [i] for i in range(n)}
    graph = lay_out(inputs)
    lane_of = {row.key: row.lane for row in graph.rows}
    for row in graph.rows:
        assert row.comes == tuple(sorted(lane_of[p] for p in inputs[row.key]))
    assert graph.n_lanes == n
