import pytest

from pipeline.errors import ConfigError
from pipeline.variants.words import combine, require_name


def test_every_combination_is_named_after_its_values() -> None:
    asked = combine(["lag_columns.periods=1,2,3", "rolling_columns.window=2,4"], 6)
    assert {each.name: each.words for each in asked} == {
        f"periods_{p}_window_{w}": (
            f"lag_columns.periods={p}",
            f"rolling_columns.window={w}",
        )
        for p in (1, 2, 3)
        for w in (2, 4)
    }


def test_what_does_not_vary_is_in_no_name_where_something_does() -> None:
    asked = combine(["source=csv", "lag_columns.periods=1,2"], 2)
    assert [each.name for each in asked] == ["periods_1", "periods_2"]
    assert asked[0].words == ("source=csv", "lag_columns.periods=1")
    assert [each.name for each in combine(["a.b=1", "c=x"], 2)] == ["b_1_c_x"]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("a=[1,2],[1]", ["[1,2]", "[1]"]),
        ("a='x,y',z", ["'x,y'", "z"]),
        ("a={b: 1, c: [2, 3]},{}", ["{b: 1, c: [2, 3]}", "{}"]),
        ("a=${oc.env:X,1},2", ["${oc.env:X,1}", "2"]),
        ("a=don't,won't", ["don't", "won't"]),
        ("a=['x]',1],2", ["['x]',1]", "2"]),
        ("a=1,1", ["1"]),
        ("a=", [""]),
        ("a", [""]),
    ],
)
def test_only_a_comma_outside_of_brackets_and_quotes_parts_values(
    word: str, values: list[str]
) -> None:
    found = [each.words[0].partition("=")[2] for each in combine([word], 9)]
    assert found == values


@pytest.mark.parametrize(
    "words",
    [
        ["a=-1,1"],
        ["a=0.5,0_5"],
        ["a=A,a"],
        ["x.p=1,2", "y.p=1,2"],
        ["9=1,2"],
        [f"a={'b' * 80},{'b' * 81}"],
        ["a='%','/'"],
    ],
)
def test_names_are_all_others_and_safe(words: list[str]) -> None:
    names = [each.name for each in combine(words, 9)]
    assert len({*names}) == len(names)
    for name in names:
        require_name(name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to vary"),
        (["a=" + ",".join(map(str, range(10_000)))], "10,000 variants, .* at most 20"),
        ([f"x{i}=1,2,3,4,5,6,7,8,9,10" for i in range(30)], "0,000 variants"),
        (["a=1,,2"], "no value before or after a comma"),
        (["a=1,"], "no value before or after a comma"),
        (["a=1", "a=2"], "a stands there 2 times"),
    ],
)
def test_what_is_no_sweep_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        combine(words, 20)


@pytest.mark.parametrize("name", ["latest", "meta", "previous", "published"])
def test_a_word_for_a_run_or_a_schema_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a word for a run or a schema"):
        require_name(name)


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a.b", "1a", "a" * 61])
def test_a_name_that_is_no_file_and_no_word_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        require_name(name)
