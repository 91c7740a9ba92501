"""Rows that a project's own code makes, once, and again where the code is another.

A kind of source of a project's own is a file of its folder `sources/`, with its
settings in a YAML of its name beside it::

    class Config(MadeSource, frozen=True, kw_only=True):
        n: int


    def dice(config: Config) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"eyes": [i % 6 + 1 for i in range(config.n)]})
"""

import hashlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import ConfigError, PipelineError, SourceError
from pipeline.files.state import State
from pipeline.log import LOG
from pipeline.own import enter, load_module
from pipeline.progress import Step, doing
from pipeline.sources.columns import DeclaredColumns
from pipeline.sources.kept import kept

OWN = "sources"
"""Folder of a project's own kinds of sources, and the package they are imported as."""


class MadeSource(DeclaredColumns, frozen=True, kw_only=True):
    """Base of the settings of a project's own kind of source; its others are below."""

    format: Literal["csv", "parquet"] = "csv"
    """Of the file in which the rows are kept."""


class Maker(NamedTuple):
    """A kind of source of a project's own."""

    config: type[MadeSource]
    """Its Config, told by the kind's name."""
    make: Callable[[Any], Iterable[pl.DataFrame]]
    """Gives the rows, in frames of the same columns."""
    code: str
    """Hash of the project's modules of sources, as they were imported."""


def own_kinds(project: Path) -> dict[str, Path]:
    """List a project's own kinds of sources, each with the YAML of its settings."""
    files = sorted((project / OWN).glob("[a-z]*.py"))
    return {path.stem: path.with_suffix(".yaml") for path in files}


@cache
def load_maker(kind: str, project: Path) -> Maker:
    """Import a project's own kind of source.

    Raises
    ------
    ConfigError
        If the file cannot be imported, or lacks the function or its Config.
    """
    code = _code(project)
    module = load_module(OWN, kind, [kind, "Config"], project)
    if not (isinstance(module.Config, type) and issubclass(module.Config, MadeSource)):
        raise ConfigError(
            f"{OWN}/{kind}.py: its Config is no MadeSource\n"
            "hint: class Config(MadeSource, frozen=True, kw_only=True), of"
            " pipeline.sources.made"
        )
    config = msgspec.defstruct(
        kind,
        [],
        bases=(module.Config,),
        tag=kind,
        tag_field="kind",
        frozen=True,
        kw_only=True,
    )
    return Maker(cast("type[MadeSource]", config), getattr(module, kind), code)


def made_path(config: MadeSource, root: Path) -> Path:
    """Name the file of what settings and code make; others have other files."""
    code = load_maker(_kind(config), root).code
    return State(root).data / f"{_stem(config)}-{code}.{config.format}"


def make(config: MadeSource, root: Path) -> None:
    """Make the rows, if they are not there; what other code made of them goes.

    The file appears under its name when it is whole; memory holds a frame at a time.
    A SourceError if the code fails, gives no rows, or the file cannot be written.
    """
    path, kind = made_path(config, root), _kind(config)
    if path.exists():
        return
    LOG.info("making the rows of '%s', once: %s", kind, path.relative_to(root))
    older = f"{_stem(config)}-*.{config.format}"
    try:
        with kept(path, instead_of=older) as part, doing(f"making '{kind}'") as step:
            frames = _counted(_frames(kind, config, root), step)
            _write(part, frames, kind, config.format)
    except (OSError, PolarsError) as error:
        raise SourceError(f"{path}: cannot be made\nfound: {error}") from error


def _kind(config: MadeSource) -> str:
    return str(config.__struct_config__.tag)


def _stem(config: MadeSource) -> str:
    """Name what is made, apart from the code; how it is read makes no difference."""
    fields = [f for f in config.__struct_fields__ if f not in _READ]
    text = repr([(name, getattr(config, name)) for name in sorted(fields)])
    hashed = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"made-{_kind(config)}-{hashed}"


_READ = (*DeclaredColumns.__struct_fields__, "format")


def _code(root: Path) -> str:
    """Hash the code of the project's own sources."""
    files = sorted((root / OWN).rglob("*.py"))
    parts = [(str(path.relative_to(root)), path.read_bytes()) for path in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _frames(kind: str, config: MadeSource, root: Path) -> Iterable[pl.DataFrame]:
    """Ask the project's code for frames; whatever it raises names the file.

    Raises
    ------
    SourceError
        With the line, too.
    """
    try:
        maker = load_maker(kind, root)
        enter(OWN, root)  # what it imports late is of this project, too
        schema = None
        for df in maker.make(config):
            if not isinstance(cast("object", df), pl.DataFrame):
                raise TypeError(f"expected frames, found a {type(df).__name__}")
            if (schema := schema or df.schema) != df.schema:
                raise ValueError(
                    f"frames of other columns: first {schema}, then {df.schema}"
                )
            yield df
    except (OSError, PipelineError):
        raise
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        raise SourceError(
            f"{OWN}/{kind}.py: {type(error).__name__}: {error}\n"
            f"found in {Path(last.filename).name}, line {last.lineno}: {last.line}"
        ) from error


def _counted(frames: Iterable[pl.DataFrame], step: Step) -> Iterator[pl.DataFrame]:
    """Say how many rows there are so far."""
    n_rows = 0
    for df in frames:
        n_rows += df.height
        step.say(f"{n_rows:,} rows")
        yield df


def _write(path: Path, frames: Iterable[pl.DataFrame], kind: str, format_: str) -> None:
    """Write frames behind each other, each as a row group where there are some."""
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise SourceError(
            f"{OWN}/{kind}.py: makes no rows\nexpected: a frame of them, or several"
        )
    if format_ == "csv":
        with path.open("wb") as file:
            for df in chain([first], rest):
                df.write_csv(file, include_header=file.tell() == 0)
        return
    # Late: starting the program must not pay for it.
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

    parquet, schema = cast("Any", pq), cast("Any", first.to_arrow()).schema
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for df in chain([first], rest):
            writer.write_table(df.to_arrow())
