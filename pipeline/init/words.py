"""Values as YAML and names as SQL, whatever they are."""

import re
from collections.abc import Mapping
from typing import Any, cast

import yaml

from pipeline.files.yaml_core import plain
from pipeline.snapshots.catalog import identifier

_WORD = re.compile(r"[\w.][\w./*-]*")
"""Text that needs no quotes, if it is no number."""

_NO_REFERENCE = re.compile(r"\$\{(?!(modeling\.target|rolling_columns\.window)\})")
"""What begins a reference, where it is to none of the settings that are meant."""

WINDOW = "${rolling_columns.window}"
"""A part of the names of rolling means, so that another window changes all of them."""

_RESERVED = frozenset(
    re.findall(
        r"\w+",
        "all analyse analyze and anti any array as asc asof asymmetric at"
        " authorization binary both by case cast check collate collation column"
        " concurrently constraint create cross default deferrable desc describe"
        " distinct do else end except false fetch for foreign freeze from full glob"
        " group having ilike in initially inner intersect into is isnull join lambda"
        " lateral leading left like limit natural not notnull null offset on only or"
        " order outer overlaps pivot pivot_longer pivot_wider placing positional"
        " primary qualify references returning right select semi show similar some"
        " summarize symmetric table tablesample then to trailing true union unique"
        " unpack unpivot using variadic verbose when where window with",
    )
)
"""Words of DuckDB's that are no names."""


def dumped(value: Any) -> str:
    """Write a value on one line as YAML that `read_yaml` reads as it is."""
    text = yaml.dump(
        _escaped(value),
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=1 << 20,
    )
    # A key is text, also where a value is not.
    return text.removesuffix("\n").removesuffix("\n...").replace("'null': ", "null: ")


def _escaped(value: Any) -> Any:
    """Keep ``${`` in values what it is, where it refers to no setting."""
    match value:
        case dict():
            tree = cast("dict[Any, Any]", value)
            return {key: _escaped(item) for key, item in tree.items()}
        case list():
            return [_escaped(item) for item in cast("list[Any]", value)]
        case str():
            return _NO_REFERENCE.sub(r"\\${", value)
        case _:
            return value


class _Dumper(yaml.SafeDumper):
    """Quotes what is a number, or a word of its own, by the rules of `yaml_core`."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write what is there twice twice."""
        return True

    def check_simple_key(self) -> bool:
        """Write a long key as a short one."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write text, in quotes where it needs some."""
    style = None if plain(text) == text and _WORD.fullmatch(text) else "'"
    style = '"' if not text.isprintable() else style
    represent = cast("Any", dumper).represent_scalar
    return represent("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def lines(tree: Mapping[str, Any], indent: int = 0) -> str:
    """Write a mapping with a line per key."""
    space = " " * indent
    return "".join(
        f"{space}{dumped({key: value})[1:-1]}\n" for key, value in tree.items()
    )


def is_reserved(name: str) -> bool:
    """Tell whether a name is a word of SQL's own."""
    return name in _RESERVED


def sql(name: str) -> str:
    """Write a name in SQL, in quotes where it needs some."""
    is_plain = re.fullmatch("[a-z_][a-z0-9_]*", name) and name not in _RESERVED
    return name if is_plain else identifier(name)
