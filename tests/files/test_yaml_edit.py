import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.files.yaml_core import read_yaml
from pipeline.files.yaml_edit import flow, set_value

TEXT = """# head
a: 1 # of a
b: {c: x, d: [1, 2]} # of b
e:
  # of f
  f:
    - one # first
    - two
  g: |
    text
    more

# of h
h:
i: "q" # of i
j: {}
l: &x 1
m: *x # as l
n: {o: *x, p: *x}
"""


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("a", 2, "a: 1 # of a", "a: 2 # of a"),
        ("b.c", None, "{c: x, d", "{c: null, d"),
        ("b.d", [3], "d: [1, 2]} # of b", "d: [3]} # of b"),
        ("b.k.l", True, "[1, 2]}", "[1, 2], k: {l: true}}"),
        ("e.f", ["a b", "1"], "f:\n    - one # first\n    - two\n", 'f: [a b, "1"]\n'),
        ("e.g", 0.5, "g: |\n    text\n    more\n", "g: 0.5\n"),
        ("e.k", "x", "    more\n", "    more\n  k: x\n"),
        ("h", {"k": 1}, "h:\n", "h: {k: 1}\n"),
        ("h.k", 1, "h:\n", "h: {k: 1}\n"),
        ("i", "yes: no", 'i: "q" # of i', 'i: "yes: no" # of i'),
        ("j.k", 1, "j: {}", "j: {k: 1}"),
        ("k.l", 1, "p: *x}\n", "p: *x}\nk: {l: 1}\n"),
        ("m", 2, "m: *x #", "m: 2 #"),
        ("n.p", 2, "p: *x}", "p: 2}"),
        ("a.k", 1, "a: 1 # of a", "a: {k: 1} # of a"),
    ],
)
def test_a_value_is_changed_where_it_stands_and_nothing_else(
    path: str, value: object, before: str, after: str
) -> None:
    assert set_value(TEXT, path.split("."), value) == TEXT.replace(before, after)


def test_what_has_no_line_end_and_what_is_empty_take_a_value() -> None:
    assert set_value("a: 1", ["b"], 2) == "a: 1\nb: 2\n"
    assert set_value("a: &x 1\nb:\n  c: *x\nd: 2", ["b", "e"], 3) == (
        "a: &x 1\nb:\n  c: *x\n  e: 3\nd: 2"
    )
    assert set_value("", ["a", "b"], 2) == "a: {b: 2}\n"
    assert set_value("# only this", ["a"], 2) == "# only this\na: 2\n"


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8)
    | st.sampled_from(["010", "no", "1e5", "~", "null", "a: b", "a #b", "-", "${a.b}"])
)


@settings(max_examples=40)
@given(
    st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(st.characters(whitelist_categories=("Ll", "Nd"))),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_what_is_written_is_read_again(value: object) -> None:
    assert read_yaml(f"a: {flow(value)} # b") == {"a": value}
    edited = read_yaml(set_value(TEXT, ["e", "f"], value))
    assert edited == {**read_yaml(TEXT), "e": {**read_yaml(TEXT)["e"], "f": value}}
