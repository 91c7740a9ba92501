"""Compose stages into one graph of lazy frames, and check it before data is read."""

import hashlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
from polars.exceptions import ColumnNotFoundError, PolarsError

from pipeline import sources
from pipeline.errors import SchemaError, nearest
from pipeline.plan.code import code_elsewhere, code_hashes, unfollowed_imports
from pipeline.plan.known import settled
from pipeline.plan.plan import Node, Plan, never_read
from pipeline.plan.publishable import mistakes_in
from pipeline.plan.settings import SOURCE, Settings, Stage
from pipeline.transforms import Transform

_FUNCTIONS = (
    *(b"cloudpickle", b"OpaquePython", b"Anonymous", b"Ffi"),
    # A function that is pickled by its name: the first bytes, plain or in MessagePack.
    *(
        b"\x80\x04\x95",
        b"\x80\x05\x95",
        b"\xcc\x80\x04\xcc\x95",
        b"\xcc\x80\x05\xcc\x95",
    ),
)
"""What a plan that Polars wrote holds where it runs Python functions, or a plugin's."""


def compose(
    source: pl.LazyFrame,
    stages: Sequence[Stage],
    others: Mapping[str, pl.LazyFrame] | None = None,
) -> Plan:
    """Build the graph stage by stage, inputs before users; nothing is read.

    Raises
    ------
    SchemaError
        If a stage asks for a column or a dtype that its input does not have, or reads
        a file; names the stage, its file and the columns there are.
    """
    plan = Plan(source, {}, others or {})
    for given in stages:
        inputs = [plan.lf(name) for name in given.inputs]
        schemas = [plan.schema(name) for name in given.inputs]
        try:
            stage = settled(plan, given)
        except SchemaError as error:
            raise _schema_error(given, schemas, error) from error
        schema, digest = _try_on_empty(stage, schemas)
        plan.nodes[stage.name] = Node(stage, _apply(stage, inputs), schema, digest)
    return plan


def compose_declared(settings: Settings) -> Plan:
    """Build the graph on the declared columns alone; no file needs to be there."""
    frames = {
        name: never_read(sources.declared(config, settings.root).collect_schema())
        for name, config in settings.sources.items()
    }
    return compose(frames.pop(SOURCE), settings.stages, frames)


def compose_again(
    plan: Plan, source: pl.LazyFrame, leaves: Mapping[str, pl.LazyFrame]
) -> Plan:
    """Build the same graph on other rows, from outputs of stages that are there on.

    `leaves` may hold the rows of other sources, too.
    """
    others = {name: leaves.get(name, lf) for name, lf in plan.others.items()}
    again = Plan(source, {}, others)
    for name, node in plan.nodes.items():
        lf = leaves.get(name)
        if lf is None:
            lf = _apply(node.stage, [again.lf(given) for given in node.stage.inputs])
        again.nodes[name] = replace(node, lf=lf)
    return again


def _try_on_empty(stage: Stage, inputs: Sequence[pl.Schema]) -> tuple[pl.Schema, str]:
    """Resolve what a stage makes of its inputs' columns, and hash how.

    The transformation is tried on empty frames, so that neither cost nor hash have to
    do with the stages before it.
    """
    # Two inputs of one schema must not look the same in the plan.
    frames = [pl.LazyFrame(schema=s).slice(i) for i, s in enumerate(inputs)]
    _refuse_time_of_text(stage, inputs)
    lf = _apply(stage, frames)
    try:
        schema = lf.collect_schema()
        digest = digest_of(lf, stage.transform)
    except (PolarsError, SchemaError) as error:
        raise _schema_error(stage, inputs, error) from error
    _refuse_missing_key(stage, schema)
    _refuse_unpublishable(stage, schema)
    return schema, digest


def _refuse_missing_key(stage: Stage, schema: pl.Schema) -> None:
    """Refuse a key that is not among the columns that the stage makes."""
    missing = [name for name in stage.key if name not in schema]
    if missing:
        raise SchemaError(
            f"{stage.place}: snapshot '{stage.snapshot}' has no key {missing}"
            f"{nearest(missing[0], schema)}\n"
            f"found in {stage.name}: {', '.join(schema)}\n"
            f"hint: see `stages.{stage.name}.key` in configs/pipeline.yaml"
        )


def _refuse_time_of_text(stage: Stage, inputs: Sequence[pl.Schema]) -> None:
    """Refuse a time that is text where a stage reckons with it."""
    time = getattr(stage.config, "time", None)
    for schema in inputs:
        if isinstance(time, str) and schema.get(time) == pl.String:
            raise SchemaError(
                f"{stage.place}: its time '{time}' is text, expected whole numbers,"
                " such as years, or dates\n"
                "hint: declare it as code, date or datetime under `columns` in"
                " configs/pipeline.yaml; see `panel.every` there"
            )


def _refuse_unpublishable(stage: Stage, schema: pl.Schema) -> None:
    """Refuse a snapshot that SQL would show otherwise than it is."""
    if stage.snapshot and (found := list(mistakes_in(schema))):
        lines = "\n".join(f"  {line}" for line in found)
        raise SchemaError(
            f"{stage.place}: snapshot '{stage.snapshot}' cannot be published as it is\n"
            f"{lines}"
        )


def _apply(stage: Stage, inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Call the transformation of a stage; whatever it raises names the stage.

    Raises
    ------
    SchemaError
        With the line of the transformation.
    """
    try:
        return stage.apply(*inputs)
    except (PolarsError, SchemaError) as error:
        schemas = [lf.collect_schema() for lf in inputs]
        raise _schema_error(stage, schemas, error) from error
    except Exception as error:
        # A mistake in the user's code, of any kind.
        *_, last = traceback.extract_tb(error.__traceback__)
        raise SchemaError(
            f"{stage.place}: {type(error).__name__}: {error}\n"
            f"found in {Path(last.filename).name}, line {last.lineno}: {last.line}"
        ) from error


def digest_of(lf: pl.LazyFrame, transform: Transform) -> str:
    """Hash a plan; one that runs Python functions, with all code they may use.

    Raises
    ------
    SchemaError
        If the plan reads a file, whose content the hash would not see.
    """
    try:
        plan = lf.serialize()
    except PolarsError:  # a Python function, and no cloudpickle to write it with
        plan = b"cloudpickle"
    if b"unified_scan_args" in plan:
        raise SchemaError(
            "reads a file, expected a function of its inputs only: make it a source"
        )
    # Such a function is written as its name or its bytecode, without what it calls.
    code = ""
    if runs_python(plan):
        of = transform.project
        if places := unfollowed_imports([transform.file], of):
            raise SchemaError(
                "runs a Python function, and imports by a name that is made up then,"
                f" expected code that can be followed\nfound: {', '.join(places)}\n"
                "hint: import the module by its name, or do it in Polars' expressions"
            )
        code = str(code_hashes(of) | code_elsewhere([transform.file], of))
    return hashlib.sha256(plan + code.encode()).hexdigest()


def runs_python(plan: bytes) -> bool:
    """Tell whether a plan that Polars wrote runs Python functions, or a plugin's."""
    return any(mark in plan for mark in _FUNCTIONS)


def _schema_error(
    stage: Stage, inputs: Sequence[pl.Schema], error: Exception
) -> SchemaError:
    """Say which stage asked for what, and what there was."""
    found = [name for schema in inputs for name in schema]
    # Polars appends the columns there are, our working columns among them.
    what = str(error).strip().splitlines()[0].partition("; valid columns")[0]
    wanted = what.split('"')[1] if what.count('"') >= 2 else what
    given = dict(zip(stage.inputs, inputs, strict=True))
    lacking = [name for name, schema in given.items() if wanted not in schema]
    if isinstance(error, ColumnNotFoundError) and 0 < len(lacking) < len(given):
        what += f", which is not in {' and '.join(lacking)}"
    there = "\n".join(f"found in {n}: {', '.join(s)}" for n, s in given.items())
    hint = str(error).partition("\nhint: ")[2] if isinstance(error, SchemaError) else ""
    return SchemaError(
        f"{stage.place}: {what}{'' if wanted in found else nearest(wanted, found)}\n"
        f"{there}\n"
        f"hint: {hint}{'; ' if hint else ''}see {stage.file} and '{stage.name}' in"
        " configs/pipeline.yaml"
    )
