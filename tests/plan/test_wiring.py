"""Names of a plan: what they lead to, and what is said of those it has not."""

import pytest

from pipeline.errors import ConfigError
from pipeline.plan.wiring import Selection, Wiring

WIRING = Wiring(
    ["source", "prices"],
    {"a": ["source"], "b": ["a", "prices"], "c": ["a"], "d": ["c"]},
    {"bs": "b", "d": "d"},
)


def test_the_way_goes_up_to_what_is_there_and_down_to_the_end() -> None:
    assert WIRING.upstream(["d"]) == ["a", "c", "d"]
    assert WIRING.upstream(["b", "d"], leaves=["c"]) == ["a", "b", "d"]
    assert WIRING.upstream(["d"], leaves=["d"]) == []
    assert WIRING.downstream("a") == ["a", "b", "c", "d"]
    assert WIRING.downstream("c") == ["c", "d"]


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        (Selection(), ["a", "b", "c", "d"]),
        (Selection(to="bs"), ["a", "b"]),
        (Selection(from_="c", to="d"), ["c", "d"]),
        (Selection(only="bs", force=True), ["b"]),
        (Selection(only="b", to="c"), []),
    ],
)
def test_stages_are_selected_by_name(selection: Selection, stages: list[str]) -> None:
    assert selection.stages(WIRING) == stages


@pytest.mark.parametrize("name", ["a", "b", "d", "source", "prices"])
def test_a_frame_is_a_stage_or_a_source(name: str) -> None:
    assert WIRING.frame(name) == name
    assert WIRING.frame("bs") == "b"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bss", "no stage, snapshot or source 'bss'; did you mean 'bs'"),
        ("quarantine", "no stage makes 'quarantine'"),
        ("predictions", "no stage makes 'predictions'"),
    ],
)
def test_what_has_no_rows_of_its_own_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WIRING.frame(name)
    with pytest.raises(ConfigError, match=f"no stage '{name}'"):
        Selection(to=name).stages(WIRING)
