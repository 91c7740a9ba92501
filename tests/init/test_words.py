import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.files.yaml_core import read_yaml
from pipeline.init.words import dumped, is_reserved, lines, sql

_TEXTS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20
)
_ODD = st.sampled_from(
    [
        "no",
        "010",
        "1e5",
        "12:30",
        "null",
        "~",
        "a: b",
        "# c",
        "${x}",
        "'",
        '"',
        "2015-01",
    ]
)


@given(st.dictionaries(_TEXTS | _ODD, _TEXTS | _ODD | st.integers() | st.booleans()))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(tree: dict[str, object]) -> None:
    # Also by OmegaConf, to which ${ means something in values.
    for text in (dumped(tree), lines(tree)):
        read = read_yaml(text) or {}
        assert OmegaConf.to_container(OmegaConf.create(read), resolve=True) == tree


def test_what_needs_no_quotes_has_none() -> None:
    tree = {"every": "1mo", "path": "../a.csv", "is": {"null": True}}
    assert lines(tree) == "every: 1mo\npath: ../a.csv\nis: {null: true}\n"
    assert dumped("${modeling.target}_lag1") == "'${modeling.target}_lag1'"


@pytest.mark.parametrize("name", ["order", "at", "sold", "x y", 'a"b', "1st"])
def test_names_are_quoted_where_sql_needs_it(name: str) -> None:
    column = sql(name)
    duckdb.sql(f"select 1 as {column}, {column}, max({column}) over () as m")
    assert (column == name) is (name == "sold")


def test_reserved_words_are_duckdbs() -> None:
    found = duckdb.execute(
        "select keyword_name from duckdb_keywords() where keyword_category = 'reserved'"
    ).fetchall()
    assert all(is_reserved(word) for (word,) in found)
