"""YAML that reads a word as it is written.

A plain word is a number in decimal, ``true``, ``false``, ``null`` (or ``~``, or nothing
at all), or else text, letter by letter. So ``010``, ``0x10``, ``1_000``, ``12:30``,
``no``, ``on`` and ``2019-01-01``, of which YAML 1.1 makes something else, stay what
they are, and a field that wants a number says what it found. Keys are always text.
Values on the command line are read by the same rule, see `read_word`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode, YAMLError
from yaml.error import MarkedYAMLError

_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(
    r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|[-+]?\.inf|\.nan"
)

# A comment without a blank before its first word: of "raw #1.csv".
_CUT = re.compile(r"[ \t]+#[^\s#]\S*")

# What "\0" and "\ud800" mean in quotes: no file, column or SQL may hold it.
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")

_MAX_DEPTH = 40
_MAX_NODES = 100_000
"""Values of a file, where an alias counts as all that it stands for."""


def read_yaml(text: str) -> Any:
    """Read a document into dicts, lists and scalars; an empty one is None.

    A YAMLError if it is no YAML, holds a key twice, a tag, or more than a configuration
    may, or if a word is cut at a ``#`` that may be part of it.
    """
    try:
        compose = cast("Callable[..., Node | None]", yaml.compose)
        root = compose(text, yaml.BaseLoader)
    except RecursionError as error:
        raise YAMLError("nested too deep") from error
    return None if root is None else _Reader(text).value(root, 0)


def read_word(text: str) -> Any:
    """Read a value of the command line: a list, a mapping, quoted text, or a word.

    Only what begins with a bracket, a brace or a quote is YAML; in all else, a ``#``, a
    colon or a blank is what it is.
    """
    return read_yaml(text) if text.lstrip()[:1] in tuple("[{'\"") else plain(text)


def plain(text: str) -> str | float | bool | None:
    """Read a word that stands in no quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    return text


def describe(error: Exception) -> str:
    """Say in a line what is wrong, and on which line of the text."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]


class _Reader:
    """Makes values of YAML's nodes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._n_nodes = 0

    def value(self, node: Node, depth: int) -> Any:
        """Read a node, and all below it."""
        self._n_nodes += 1
        if isinstance(node, ScalarNode) and _NO_TEXT.search(node.value):
            raise _mistake(f"expected text, found {node.value!a}", node)
        if depth > _MAX_DEPTH or self._n_nodes > _MAX_NODES:
            raise _mistake(
                f"expected at most {_MAX_DEPTH} levels and {_MAX_NODES:,} values", node
            )
        match node:
            case ScalarNode():
                return self._scalar(node)
            case SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [self.value(item, depth + 1) for item in node.value]
            case MappingNode(tag="tag:yaml.org,2002:map"):
                pairs = _pairs(node)
                return {key: self.value(value, depth + 1) for key, value in pairs}
            case _:
                raise _mistake(f"expected no tag, found {node.tag}", node)

    def _scalar(self, node: ScalarNode) -> str | float | bool | None:
        """Read a word, or what stands in quotes."""
        if node.tag != "tag:yaml.org,2002:str":
            raise _mistake(f"expected no tag, found {node.tag}", node)
        if node.style is not None:
            return node.value
        value = plain(node.value)
        cut = _CUT.match(self._text, node.end_mark.index)
        if isinstance(value, str) and cut:
            raise _mistake(
                f"'{node.value}' ends where a comment begins: quote it,"
                f" '{node.value}{cut.group()}', or put a blank behind the #",
                node,
            )
        return value


def _pairs(node: MappingNode) -> Iterator[tuple[str, Node]]:
    """Yield the keys of a mapping, which are words, each there once, and its values."""
    lines: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise _mistake(f"expected a word as key, found a {key.id}", key)
        if key.value in lines:
            text = f"'{key.value}' a second time, after line {lines[key.value]}"
            raise _mistake(text, key)
        lines[key.value] = key.start_mark.line + 1
        yield key.value, value


def _mistake(text: str, node: Node) -> MarkedYAMLError:
    """Say what is wrong, and where."""
    return MarkedYAMLError(problem=text, problem_mark=node.start_mark)
