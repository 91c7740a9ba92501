"""Change a value of a YAML file and leave all else as it is written, comments too."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.files.yaml_core import plain

_BARE = re.compile(r"[A-Za-z_/][\w./ -]*[\w./-]|[A-Za-z_]")
"""Text that needs no quotes, wherever it stands."""

_ALIAS = re.compile(r"\s*\*[^\s,\]}]+")


def set_value(text: str, path: Sequence[str], value: Any) -> str:
    """Write a value at a path of keys in a document that is a mapping, or is empty.

    Keys that are not there are added to the innermost mapping that is; where a key
    holds no mapping, a mapping takes its place.
    """
    compose = cast("Callable[..., Node | None]", yaml.compose)
    node = compose(text, yaml.BaseLoader)
    if not isinstance(node, MappingNode):
        return f"{text}{_line_end(text)}{_entry(path, value)}\n"
    for i, step in enumerate(path):
        found = [(k, v) for k, v in node.value if k.value == step]
        if not found:
            return _added(text, node, _entry(path[i:], value))
        key, held = found[0]
        if i + 1 < len(path) and isinstance(held, MappingNode):
            node = held
            continue
        rest = path[i + 1 :]
        written = f"{{{_entry(rest, value)}}}" if rest else flow(value)
        return _replaced(text, key, held, written)
    return text


def flow(value: Any) -> str:
    """Write a value on one line, as `pipeline.files.yaml_core` reads it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return repr(value).replace("inf", ".inf").replace("nan", ".nan")
        case int():
            return str(value)
        case dict():
            items = cast("dict[str, Any]", value).items()
            return f"{{{', '.join(f'{_text(k)}: {flow(v)}' for k, v in items)}}}"
        case list():
            return f"[{', '.join(flow(item) for item in cast('list[Any]', value))}]"
        case _:
            return _text(str(value))


def _text(value: str) -> str:
    """Write a text, in quotes where it would be read as something else."""
    is_bare = _BARE.fullmatch(value) and plain(value) == value
    return value if is_bare else json.dumps(value, ensure_ascii=False)


def _entry(path: Sequence[str], value: Any) -> str:
    """Write ``key: value`` of a path, what is below the first key in braces."""
    first, *rest = path
    return f"{_text(first)}: {f'{{{_entry(rest, value)}}}' if rest else flow(value)}"


def _replaced(text: str, key: Node, held: Node, written: str) -> str:
    """Put another value in the place of one."""
    colon = _colon(text, key)
    start, end = held.start_mark.index, _end_of(text, key, held)
    is_next_line = not text[colon:start].strip()  # a block, an alias, or nothing
    return (
        f"{text[:colon] + ' ' if is_next_line else text[:start]}{written}{text[end:]}"
    )


def _colon(text: str, key: Node) -> int:
    """Find what stands behind the colon of a key."""
    return text.index(":", key.end_mark.index) + 1


def _end_of(text: str, key: Node, held: Node) -> int:
    """Find where the value of a key ends, also one that is an alias, or nothing."""
    colon = _colon(text, key)
    if held.start_mark.index < colon:
        alias = _ALIAS.match(text, colon)
        return alias.end() if alias else colon
    end = _end(text, held)
    return end if end > held.start_mark.index else colon


def _added(text: str, node: MappingNode, entry: str) -> str:
    """Add an entry behind the others of a mapping."""
    if node.flow_style:
        end = node.end_mark.index - 1
        before = text[:end].rstrip()
        comma = "" if before.endswith(("{", ",")) else ","
        space = "" if before.endswith("{") else " "
        return f"{before}{comma}{space}{entry}{text[end:]}"
    indent = " " * node.value[0][0].start_mark.column
    end = _end(text, node)
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{indent}{entry}{text[line_end:] or chr(10)}"


def _end(text: str, node: Node) -> int:
    """Find where a node ends; YAML takes what follows a block to be of it."""
    is_block = isinstance(node, MappingNode | SequenceNode) and not node.flow_style
    if is_block and node.value:
        last = cast("Node | tuple[Node, Node]", node.value[-1])
        return _end_of(text, *last) if isinstance(last, tuple) else _end(text, last)
    end = node.end_mark.index
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return len(text[:end].rstrip("\n"))
    return end


def _line_end(text: str) -> str:
    """End the last line, where it is not."""
    return "" if not text or text.endswith("\n") else "\n"
