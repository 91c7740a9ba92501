"""A word is what is written."""

import pytest
from yaml import YAMLError

from pipeline.files.yaml_core import describe, read_word, read_yaml


@pytest.mark.parametrize(
    "word",
    [
        *("010", "0x10", "0o17", "0b1", "1_000", "12:30", "190:20:30", "2019-01-01"),
        *("no", "on", "off", "yes", "y", "True", "NULL", "Null", ".5", "5.", "1e"),
        *(".INF", "=", "<<", "9" * 400),
    ],
)
def test_what_another_yaml_makes_something_of_stays_text(word: str) -> None:
    assert read_word(word) == word
    assert read_yaml(f"a: {word}\n{word}: [{word}]") == {"a": word, word: [word]}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("7", 7), ("-3", -3), ("+1.5e3", 1500.0), ("1e-3", 0.001), ("0.5", 0.5)),
        *(("true", True), ("false", False), ("null", None), ("~", None), ("", None)),
        *((".inf", float("inf")), ("[1, no]", [1, "no"]), ("{a: 010}", {"a": "010"})),
        *(("'7'", "7"), ('"010"', "010"), ('"\\u00e4"', "ä")),
    ],
)
def test_numbers_in_decimal_and_four_words_are_values(word: str, value: object) -> None:
    assert read_word(word) == value
    assert type(read_word(word)) is type(value)
    assert read_yaml(f"a: {word}") == {"a": value}


@pytest.mark.parametrize(
    "word",
    ["data/raw #1.csv", "a: b", "*.csv", "&x", "!x", "%x", "@x", "- x", "`x`", "a,b]"],
)
def test_a_word_of_the_command_line_is_taken_to_the_letter(word: str) -> None:
    assert read_word(word) == word


BOMB = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: 'a' a second time, after line 1"),
        ("a: {b: 1, b: 2}", "line 1: 'b' a second time, after line 1"),
        (
            "a: 1\npath: data/raw #1.csv",
            "line 2: 'data/raw' ends where a comment begins: quote it,"
            " 'data/raw #1.csv', or put a blank behind the #",
        ),
        ("? [a]\n: b", "line 1: expected a word as key, found a sequence"),
        ("a: !!python/object:os.x {}", "line 1: expected no tag, found tag:yaml.org"),
        ("a: !!int '7'", "line 1: expected no tag"),
        ("a: &a [*a]", "line 1: expected at most 40 levels and 100,000 values"),
        (BOMB, "expected at most 40 levels and 100,000 values"),
        ("[" * 42 + "]" * 42, "expected at most 40 levels"),
        ("[" * 1500, "nested too deep"),
        ("- " * 1500, "nested too deep"),
        ("a: b\n c: d", "line 2: mapping values are not allowed here"),
        ("a: \udc80", "unacceptable character"),
        ('a: "\\ud800"', "line 1: expected text, found '\\ud800'"),
        ('a: "b\\0"', "line 1: expected text, found 'b\\x00'"),
    ],
    ids=range(15),
)
def test_what_cannot_be_meant_is_refused_by_its_line(text: str, said: str) -> None:
    with pytest.raises(YAMLError) as caught:
        read_yaml(text)
    assert said in describe(caught.value)
    assert "\n" not in describe(caught.value)


def test_comments_and_quotes_are_yamls_own() -> None:
    text = "a: x # why\nb: 7 #why\nc: 'x #1'\nd: |\n  010 #1\n"
    assert read_yaml(text) == {"a": "x", "b": 7, "c": "x #1", "d": "010 #1\n"}
    assert read_yaml("# nothing\n") is None
