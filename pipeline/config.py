"""Typed configuration: composed from YAML, overridden by dotted paths, refused early.

Layers are merged in this order, a later one wins: the defaults of each stage's
transformation (``pipeline/transforms/<transform>.yaml``), those of each source's kind
(``pipeline/sources/<kind>.yaml``), each followed by the project's file of that name in
``configs/transforms/`` or ``configs/sources/``, if there is one;
``configs/pipeline.yaml``, the profile (``configs/profiles/<profile>.yaml``) and the
overrides of the command line. What a word in them means says
`pipeline.files.yaml_core`. Merging and ``${...}`` interpolation are OmegaConf's, types
and bounds are msgspec's. Every mistake is reported, not the first one only.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args, get_origin

import msgspec

from pipeline.errors import MASK, ConfigError, hide, mask_tree, nearest

if TYPE_CHECKING:  # imported late: what is kept needs neither OmegaConf nor YAML
    from omegaconf import DictConfig

Tree: TypeAlias = dict[str, Any]
"""A configuration as plain dicts, lists and scalars."""

COMMAND_LINE = "command line"

_MISSING = "???"
"""As of OmegaConf: a value that another layer has to give."""

_NAME, _IN_BRACKETS = r"[^.\[\]]+", r"\[[^\[\]]+\]"
_STEP = re.compile(rf"{_NAME}|{_IN_BRACKETS}")
_PATH = re.compile(rf"{_NAME}(\.{_NAME}|{_IN_BRACKETS})*")


class BaseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every configuration: immutable, and a misspelt field is refused."""


@dataclass(frozen=True)
class Layer:
    """One origin of values: a file, or the command line."""

    name: str
    tree: Tree


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a configuration: where, and what was expected and found."""

    file: str
    path: str
    text: str

    def __str__(self) -> str:
        """Format as ``file: path: text``."""
        return f"{self.file}: {self.path}: {self.text}"


def refuse(mistakes: Sequence[Mistake]) -> None:
    """Raise one ConfigError that lists all mistakes, if there are any."""
    if mistakes:
        count = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)}"
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise ConfigError(
            f"configuration: {count}\n{lines}\n"
            "hint: `just config` prints the configuration as it is resolved"
        )


def load_layer(
    path: Path, root: Path, *, under: str | None = None, others: Iterable[str] = ()
) -> Layer:
    """Read a YAML file as a layer, all of it below a key of the composed tree if said.

    `others` are names that need no file, for the message.

    Raises
    ------
    ConfigError
        If the file is absent (names the files beside it), is not YAML, or holds
        something else than a mapping; an empty file is an empty mapping.
    """
    from pipeline.files.yaml_core import read_yaml

    name = path.relative_to(root).as_posix()
    try:
        tree = _read(read_yaml, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        link = ", only a link that leads nowhere" if path.is_symlink() else ""
        fault = f"{name}: no such file{link}"
        raise _not_found(fault, path.stem, path.parent, root, others) from None
    except ValueError as error:
        raise ConfigError(f"{name}: not readable as YAML\nfound: {error}") from error
    except OSError as error:
        found = error.strerror or error
        raise ConfigError(f"{name}: cannot be read\nfound: {found}") from error
    if not isinstance(tree, dict | None):
        found = "a list" if isinstance(tree, list) else repr(tree)
        raise ConfigError(f"{name}: expected a mapping at the top, found {found}")
    values = cast("Tree", tree or {})
    return Layer(name, values if under is None else {under: values})


def load_named_layer(
    folder: Path, name: str, root: Path, others: Iterable[str] = ()
) -> Layer:
    """Read the YAML file of a name, which is that of a file in the folder itself.

    Raises
    ------
    ConfigError
        If it is a path, or as `load_layer` does.
    """
    if not name or "/" in name or name.startswith("."):
        there = folder.relative_to(root).as_posix()
        fault = f"{there}: expected the name of a file there, found '{name}'"
        raise _not_found(fault, Path(name).stem, folder, root, others)
    return load_layer(folder / f"{name}.yaml", root, others=others)


def yaml_files(folder: Path) -> list[Path]:
    """List the YAML files of a folder, sorted, without what an editor hides there."""
    return sorted(p for p in folder.glob("*.yaml") if not p.name.startswith("."))


def _not_found(
    fault: str, name: str, folder: Path, root: Path, others: Iterable[str] = ()
) -> ConfigError:
    """List the files there are, and name the one that was probably meant."""
    known = [file.stem for file in yaml_files(folder)]
    also = f"\nknown without a file: {', '.join(others)}" if others else ""
    return ConfigError(
        f"{fault}{nearest(name, [*known, *others])}\n"
        f"found in {folder.relative_to(root).as_posix()}: {', '.join(known)}{also}"
    )


def _read(read: Callable[[str], Any], text: str) -> Any:
    """Read YAML, each text once in a process; the value is the caller's own.

    Raises
    ------
    ValueError
        In a line; also if a ``${`` begins nothing that OmegaConf knows.
    """
    return deepcopy(_read_once(read, text))


@lru_cache(maxsize=256)
def _read_once(read: Callable[[str], Any], text: str) -> Any:
    """Read YAML; see `_read`."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from pipeline.files.yaml_core import describe

    try:
        value = read(text)
        if "${" in text or "\\" in text:  # an escape may spell it
            OmegaConf.create({"": value})
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(describe(error)) from error
    return value


def parse_overrides(overrides: Iterable[str]) -> Layer:
    """Read ``dotted.path=value`` words; `read_word` says what a value is.

    A name that has a dot stands in brackets: ``engine.spark[spark.ui.port]=4041``.

    Raises
    ------
    ConfigError
        If a word has no path or no ``=``, or its value should be YAML and is none.
    """
    from pipeline.files.yaml_core import read_word

    tree: Tree = {}
    mistakes: list[Mistake] = []
    for word in overrides:
        path, equals, text = word.partition("=")
        if not equals or not _PATH.fullmatch(path):
            found = f"found {path!r} as path" if equals else "found no '='"
            fault = f"expected dotted.path=value, {found}"
            mistakes.append(Mistake(COMMAND_LINE, word, fault))
            continue
        try:
            value = _read(read_word, text)
        except ValueError as error:
            fault = f"expected a YAML value, found: {error}"
            mistakes.append(Mistake(COMMAND_LINE, path, fault))
            continue
        for step in reversed(_STEP.findall(path)):
            value = {step.strip("[]"): value}
        tree = _plain_merge(tree, cast("Tree", value))
    refuse(mistakes)
    return Layer(COMMAND_LINE, tree)


def empty_overrides(layers: Sequence[Layer]) -> list[Mistake]:
    """Name the empty mappings of the last layer that meet one with keys.

    As mappings are merged, they would change nothing, and nobody would see it.
    """
    *below, overrides = layers
    known = [path for layer in below for path, _ in _nodes(layer.tree)]
    expected = "expected keys and values, found {}, which takes out none of those in"
    return [
        Mistake(overrides.name, path, f"{expected} {origin_of(path, below)}")
        for path, value in _nodes(overrides.tree)
        if value == {} and any(other.startswith(f"{path}.") for other in known)
    ]


def merge(layers: Sequence[Layer]) -> "DictConfig":
    """Merge layers; mappings are merged key by key, everything else is replaced.

    Raises
    ------
    ConfigError
        If a layer puts a mapping where another has a list or a scalar.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    trees = _merged_plainly([layer.tree for layer in layers])
    try:
        return cast("DictConfig", OmegaConf.merge(*trees))
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        *before, last = layers
        if len(before) > 1:
            merge(before)  # raises, and names the layer, if it is not the last
        raise ConfigError(
            f"{last.name}: does not fit the layers before it\n"
            f"found: {', '.join(last.tree)}: {error}\n"
            "expected: a mapping, a list and a plain value each where one was before"
        ) from error


def _merged_plainly(trees: Sequence[Tree]) -> list[Tree]:
    """Merge the first trees, up to one that needs a rule of OmegaConf's.

    OmegaConf takes three times as long to merge trees as to take in one.
    """
    merged: Tree = {}
    for i, tree in enumerate(trees):
        if not _is_plain(merged, tree):
            return [merged, *trees[i:]]
        merged = _plain_merge(merged, tree)
    return [merged]


def _is_plain(before: Any, after: Any) -> bool:
    """Tell whether mappings meet mappings only, and nothing becomes missing."""
    if isinstance(before, dict) and isinstance(after, dict):
        tree, other = cast("Tree", before), cast("Tree", after)
        return all(_is_plain(tree[key], other[key]) for key in other if key in tree)
    is_leaf = not isinstance(before, dict) and not isinstance(after, dict)
    return is_leaf and after != _MISSING


def _plain_merge(tree: Tree, other: Tree) -> Tree:
    """Merge a tree over another; neither is changed."""
    shared = {
        key: _plain_merge(tree[key], cast("Tree", value))
        for key, value in other.items()
        if isinstance(value, dict) and isinstance(tree.get(key), dict)
    }
    return {**tree, **other, **shared}


@dataclass(frozen=True)
class Resolved:
    """A composed configuration without ``${...}``; keys that lead nowhere are left out.

    What is shown is fit to be seen: what came from variables of the environment stands
    as it was written, credentials are masked. `pipeline.errors` keeps texts free of
    both.
    """

    tree: Tree
    shown: Tree
    mistakes: list[Mistake]
    environment: frozenset[str]


_asked: set[str] = set()
"""Variables of the environment that the value now being resolved has asked for."""


def _env(key: str, *default: Any) -> Any:
    """Do what OmegaConf's own ``oc.env`` does, and note it."""
    from omegaconf.resolvers import oc

    _asked.add(key)
    return oc.env(key, *default)


def resolve(merged: "DictConfig", layers: Sequence[Layer]) -> Resolved:
    """Replace every ``${...}``, and name those that lead nowhere."""
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    OmegaConf.register_resolver("oc.env", _env, replace=True)
    mistakes: list[Mistake] = []
    environment: set[str] = set()

    def plain(node: "DictConfig", path: str) -> tuple[Tree, Tree]:
        tree: Tree = {}
        shown: Tree = {}
        for key in node:
            name = str(key)
            child = f"{path}.{name}" if path else name
            _asked.clear()
            try:
                value: Any = node[key]
                if isinstance(value, DictConfig) and not _asked:
                    tree[name], shown[name] = plain(value, child)
                    continue
                if OmegaConf.is_config(value):
                    value = OmegaConf.to_container(value, resolve=True)
                tree[name] = shown[name] = value
                if _asked:
                    shown[name] = _unresolved(node, key)
                    _hide_all(value, shown[name])
            except OmegaConfBaseException as error:
                text = _why_unresolved(node, key, error, merged)
                mistakes.append(Mistake(origin_of(child, layers), child, text))
            environment.update(_asked)
        return tree, shown

    tree, shown = plain(merged, "")
    return Resolved(tree, mask_tree(shown), mistakes, frozenset(environment))


def _unresolved(node: "DictConfig", key: Any) -> Any:
    """Return a value as it was written."""
    from omegaconf import OmegaConf

    return cast("Tree", OmegaConf.to_container(node))[key]


def _hide_all(value: Any, written: Any) -> None:
    """Keep the texts of a value out of all others."""
    for name in _asked:
        hide(os.environ.get(name), f"${{oc.env:{name}}}")
    for item in cast("list[Any]", value) if isinstance(value, list) else [value]:
        hide(item, written if isinstance(written, str) else MASK)


def _why_unresolved(
    node: "DictConfig", key: Any, error: Exception, merged: "DictConfig"
) -> str:
    """Say what an interpolation asked for, with the nearest path that exists."""
    from omegaconf import OmegaConf

    if OmegaConf.is_missing(node, key):
        return "a value is required, found none"
    found = str(error).splitlines()[0]
    raw = _unresolved(node, key)
    wanted = str(raw).removeprefix("${").removesuffix("}")
    known = [path for path, _ in _nodes(cast("Tree", OmegaConf.to_container(merged)))]
    return (
        f"expected the path of a value, found {raw} ({found}){nearest(wanted, known)}"
    )


def _nodes(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path of every node, and what it holds."""
    for key, value in tree.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from _nodes(cast("Tree", value), f"{prefix}{key}.")


def origin_of(path: str, layers: Sequence[Layer]) -> str:
    """Name the last layer that holds a path, or else its longest known beginning."""
    parts = path.replace("[", ".[").split(".")
    for length in range(len(parts), 0, -1):
        for layer in reversed(layers):
            if holds(layer.tree, parts[:length]):
                return layer.name
    return layers[-1].name if layers else COMMAND_LINE


def holds(tree: Any, parts: Sequence[str]) -> bool:
    """Tell whether a nested mapping has the given path."""
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = cast("Mapping[str, Any]", tree)[part]
    return True


def check(
    value: Any, type_: Any, path: str, layers: Sequence[Layer]
) -> tuple[Any, list[Mistake]]:
    """Decode a plain value as a type, and collect every mistake in it.

    The value is None where there is a mistake. Its dotted path and the layers, where
    values came from, are for the messages.
    """
    try:
        return msgspec.convert(value, type_), []
    except msgspec.ValidationError:
        return None, list(_mistakes(value, type_, path, layers))


def _mistakes(
    value: Any, type_: Any, path: str, layers: Sequence[Layer]
) -> Iterator[Mistake]:
    """Descend to the parts of a value, and yield what is wrong with each."""
    tagged = _by_tag(type_)
    if tagged and isinstance(value, Mapping):
        kind = cast("Mapping[str, Any]", value).get("kind")
        if not isinstance(kind, str) or kind not in tagged:
            text = f"expected one of {', '.join(tagged)}, found {kind!r}"
            yield Mistake(origin_of(path, layers), f"{path}.kind", text)
            return
        type_ = cast("Any", tagged[kind])
    else:
        type_ = _member(value, type_)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        yield from _struct_mistakes(value, type_, path, layers)
        return
    parts = list(_parts(value, type_))
    inner = [m for p, v, t in parts for m in _mistakes(v, t, path + p, layers)]
    yield from inner
    if inner:
        return
    try:
        msgspec.convert(value, cast("Any", type_))
    except msgspec.ValidationError as error:
        text = _expectation(error, value, type_)
        yield Mistake(origin_of(path, layers), path, text)


def _expectation(error: msgspec.ValidationError, value: Any, type_: Any) -> str:
    """Say what a plain value should have been, and what it is."""
    if get_origin(type_) is Literal:
        choices = [str(choice) for choice in get_args(type_)]
        expected = f"expected one of {', '.join(choices)}"
        return f"{expected}, found {value!r}{nearest(str(value), choices)}"
    text = str(error).split(" - at `$")[0]
    expected = text.split(", got")[0].replace("`", "")
    for meta in getattr(type_, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            expected = f"expected {meta.description}"
    found = f"{expected[:1].lower()}{expected[1:]}, found {value!r}"
    if "`str" in text and isinstance(value, bool | int | float):
        return f"{found}: in quotes it is text"
    return found


def _by_tag(type_: Any) -> dict[str, type[msgspec.Struct]]:
    """Name the structs of a tagged union by their tag; empty for other types."""
    members = get_args(type_)
    if not members or not all(
        isinstance(member, type) and issubclass(member, msgspec.Struct)
        for member in members
    ):
        return {}
    return {str(member.__struct_config__.tag): member for member in members}


def _member(value: Any, type_: Any) -> Any:
    """Choose, where a word or null may stand for it, what a value looks like."""
    members = get_args(type_)
    if len(members) == 2 and members[1] is NoneType and value is not None:
        is_told = get_origin(members[0]) is Literal or hasattr(
            members[0], "__metadata__"
        )
        return members[0] if is_told else type_
    words = [member for member in members if get_origin(member) is Literal]
    structs = [
        member
        for member in members
        if isinstance(member, type) and issubclass(member, msgspec.Struct)
    ]
    if len(words) == len(structs) == 1:
        return structs[0] if isinstance(value, Mapping) else words[0]
    return type_


def _struct_mistakes(
    value: Any, type_: type[msgspec.Struct], path: str, layers: Sequence[Layer]
) -> Iterator[Mistake]:
    """Yield what is wrong with the fields of one struct, or else with all of them."""
    if not isinstance(value, Mapping):
        text = f"expected a mapping, found {value!r}"
        yield Mistake(origin_of(path, layers), path, text)
        return
    tree = cast("Mapping[str, Any]", value)
    in_fields = list(_field_mistakes(tree, type_, path, layers))
    yield from in_fields
    if in_fields:
        return
    try:
        msgspec.convert(tree, type_)
    except msgspec.ValidationError as error:  # a rule over several fields
        text = str(error).split(" - at `$")[0]
        yield Mistake(origin_of(path, layers), path, text)


def unknown_field(name: str, fields: Iterable[str]) -> str:
    """Say that a struct has no such field, and which there are."""
    known = f"; known fields: {', '.join(fields)}"
    return "unknown field" + (nearest(name, fields) or known)


def unknown_section(name: str, sections: Iterable[str]) -> str:
    """Say that a configuration has no such part."""
    return f"no such stage or section{nearest(name, sections)}"


def _field_mistakes(
    tree: Mapping[str, Any],
    type_: type[msgspec.Struct],
    path: str,
    layers: Sequence[Layer],
) -> Iterator[Mistake]:
    """Yield unknown, missing and wrong fields of one struct."""
    fields = {f.encode_name: f for f in msgspec.structs.fields(type_)}
    tag = type_.__struct_config__.tag_field
    for name in tree:
        if name not in fields and name != tag:
            at = f"{path}.{name}"
            yield Mistake(origin_of(at, layers), at, unknown_field(name, fields))
    for name, field in fields.items():
        at = f"{path}.{name}"
        if name in tree:
            yield from _mistakes(tree[name], field.type, at, layers)
        elif field.required:
            yield Mistake(
                origin_of(path, layers), at, "a value is required, found none"
            )


def _parts(value: Any, type_: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path suffix, value, type) of a list's or mapping's elements."""
    origin, args = get_origin(type_), get_args(type_)
    if hasattr(type_, "__metadata__"):
        yield from _parts(value, args[0])
    elif origin in (list, tuple) and isinstance(value, list):
        for i, item in enumerate(cast("list[Any]", value)):
            yield f"[{i}]", item, args[0]
    elif origin is dict and isinstance(value, dict):
        for key, item in cast("Tree", value).items():
            yield f".{key}", item, args[1]
