"""Ask why a value of a published snapshot is what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline import sources
from pipeline.errors import LineageError, SnapshotError, nearest, some
from pipeline.files.local import SourceFile, contents, find_files, shown, stat_of
from pipeline.files.parquet import scan_parquet
from pipeline.panel.split import ROW_WISE
from pipeline.plan.compose import compose_declared
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings
from pipeline.snapshots.records import FORECASTS, QUARANTINE, RunRecord, SnapshotRecord
from pipeline.snapshots.store import Store, read_object
from pipeline.why.aside import set_aside
from pipeline.why.back import Back, Step
from pipeline.why.places import Places
from pipeline.why.rows import Rows


@dataclass(frozen=True)
class Why:
    """A value, and what it is made of."""

    snapshot: str
    key: Mapping[str, Any]
    column: str
    value: Any
    run_id: str
    steps: Sequence[Step]
    """From the snapshot back."""
    sources: Mapping[str, pl.DataFrame]
    """The rows of each source, with their `PLACE`."""
    deciding: Mapping[str, pl.DataFrame]
    """Those of which what only decides was joined."""
    unknown: Sequence[str]
    """Stages of which it is not known what they look at."""
    set_aside: pl.DataFrame
    """Cells of the quarantine without which the value might be another."""
    n_others: int
    """Cells of the quarantine that only what decides may depend on."""


def why(
    settings: Settings, store: Store, run: RunRecord, name: str, words: Sequence[str]
) -> Why:
    """Explain a value that a run has published.

    The words are a ``column=value`` for each column of the key, and the column.

    Raises
    ------
    LineageError
        If they name no one value.
    SnapshotError
        If the snapshot is not what configuration, code and source now make.
    """
    published = published_of(run, name)
    column, key = read_words(words)
    rows = scan_object(store, published)
    schema = rows.collect_schema()
    if column is None or column not in schema:
        what = f"which column of '{name}'?"
        if column:
            what = f"'{name}' has no column '{column}'{nearest(column, schema)}"
        raise LineageError(
            f"why: {what}\nfound: {', '.join(schema)}\n"
            f"hint: {_example(published, schema)}"
        )
    try:
        row = find_row(rows, published, key).row(0, named=True)
    except NoRowError as error:
        raise LineageError(
            f"{error}{_taken(settings, store, run, published, key)}"
        ) from error
    wanted = {name: row[name] for name in published.key}
    return why_of_row(settings, store, run, name, wanted, column, row[column])


class NoRowError(LineageError):
    """A snapshot has no row of the key that is asked for."""


def _taken(
    settings: Settings,
    store: Store,
    run: RunRecord,
    published: SnapshotRecord,
    key: Mapping[str, str],
) -> str:
    """Name a cell that was set aside, in a row of a key that is nowhere else."""
    bad = _quarantine(store, run)
    if bad.is_empty():
        return ""
    plan = compose_declared(settings)
    _require_as_published(settings, plan, run, published)
    found = set_aside(settings, plan, bad, [published.stage], key, {})
    return "".join(
        f"\nset aside, which may be why: {cell['file']}:{cell['line']} {cell['column']}"
        f" {cell['value']!r}: {cell['reason']}"
        for cell in found.head(1).to_dicts()
    )


def why_of_row(
    settings: Settings,
    store: Store,
    run: RunRecord,
    name: str,
    key: Mapping[str, Any],
    column: str,
    value: Any,
) -> Why:
    """Explain a value of a row of a snapshot, or of one that is still to come."""
    published, plan = published_of(run, name), compose_declared(settings)
    _require_as_published(settings, plan, run, published)
    schema = plan.snapshots[name].schema
    row = {**key, column: value}
    asked = pl.DataFrame({c: pl.Series([v], dtype=schema[c]) for c, v in row.items()})
    back = Back(rows_of(settings, plan, store, run))
    back.follow(published.stage, asked, [column])
    bad = _quarantine(store, run)
    aside = bad
    if bad.height and not (back.unknown or any(s.note for s in _made(back))):
        stages = [step.stage for step in _made(back)]
        splits = [back.rows.split(stage) for stage in stages]
        kept = [{*(s.keys if s else ())} for s in splits if s != ROW_WISE]
        names = set[str].intersection(*kept) if kept else {*key}
        held = {name: key.get(name) for name in names}
        of = [published.stage, *stages]
        aside = set_aside(settings, plan, bad, of, held, back.sources)
    of = (run.run_id, back.steps, back.sources, back.deciding, back.unknown)
    return Why(name, key, column, value, *of, aside, bad.height - aside.height)


def _made(back: Back) -> list[Step]:
    """Give the steps that made columns."""
    return [step for step in back.steps if not step.decides]


def _quarantine(store: Store, run: RunRecord) -> pl.DataFrame:
    """Read the cells that a run has set aside."""
    [found] = [s for s in run.snapshots if s.name == QUARANTINE]
    return scan_object(store, found).collect()


def tell_apart(
    run: RunRecord, words: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Tell what is asked for from settings, which are no columns of the snapshot."""
    stages = {s.name: s.stage for s in run.snapshots}
    of = [stage for stage in run.stages if stage.name == stages.get(words[0])]
    columns = {name for stage in of for name, _ in stage.columns}
    settings = [
        word
        for word in words
        if "=" in word
        and (name := word.partition("=")[0]) not in columns
        and ("." in name or name in run.config)
    ]
    return [word for word in words if word not in settings], tuple(settings)


def no_run(store: Store) -> SnapshotError:
    """Say that there is nothing to explain yet."""
    return SnapshotError(
        f"{store.folder}: there are no snapshots yet\nhint: `just run` makes them"
    )


def published_of(run: RunRecord, name: str) -> SnapshotRecord:
    """Find a snapshot of a run that stages make."""
    known = {s.name: s for s in run.snapshots if s.stage}
    if name in known:
        return known[name]
    if name in (QUARANTINE, *FORECASTS):
        raise LineageError(
            f"why: no stage makes '{name}'\nfound: {', '.join(known)}\n"
            "hint: each row of the quarantine names its file and line; `just why"
            " predictions` asks for a prediction"
        )
    raise LineageError(
        f"why: no snapshot '{name}'{nearest(name, known)}\nfound: {', '.join(known)}\n"
        "hint: `just why SNAPSHOT KEY=VALUE... COLUMN`; `just plan` shows what there is"
    )


def scan_object(store: Store, snapshot: SnapshotRecord) -> pl.LazyFrame:
    """Scan what a run has published; a SnapshotError if it is gone."""
    path = store.object(*snapshot.object)
    if read_object(store, *snapshot.object) is None:
        raise SnapshotError(
            f"{path}: the object of snapshot '{snapshot.name}' is gone or damaged\n"
            "hint: `just run` makes it again"
        )
    return scan_parquet(path)


def read_words(words: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """Tell the column from the values of the key."""
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise LineageError(
            f"why: expected one column, found {', '.join(names)}\n"
            "hint: `just why SNAPSHOT KEY=VALUE... COLUMN`"
        )
    pairs = [word.partition("=") for word in words if "=" in word]
    keys = [name for name, _, _ in pairs]
    if twice := [name for name in dict.fromkeys(keys) if keys.count(name) > 1]:
        raise LineageError(
            f"why: {twice[0]} is given {keys.count(twice[0])} times, expected once\n"
            f"found: {' '.join(word for word in words if '=' in word)}\n"
            "hint: a key names one row"
        )
    return names[0] if names else None, {name: value for name, _, value in pairs}


def find_row(
    rows: pl.LazyFrame, published: SnapshotRecord, key: Mapping[str, str]
) -> pl.DataFrame:
    """Find the one row of a key; a LineageError if there is none, or are more."""
    schema = rows.collect_schema()
    for name in key:
        if name not in published.key:
            is_there = name in schema
            raise LineageError(
                f"why: '{name}' is {'not of the key' if is_there else 'no column'} of"
                f" '{published.name}'{nearest(name, published.key)}\n"
                f"found: {', '.join(key)}\n"
                f"expected: {', '.join(published.key)}"
            )
    tests = [equals(name, text, schema[name]) for name, text in key.items()]
    found = rows.filter(pl.lit(True), *tests).head(2).collect()
    lacking = [name for name in published.key if name not in key]
    if found.height == 1:
        return found
    asked = " ".join(f"{name}={value}" for name, value in key.items()) or "no key"
    if found.is_empty():
        nearby = _nearby(rows, published, key, schema)
        raise NoRowError(
            f"why: '{published.name}' has no row of {asked}\n"
            f"hint: {_misspelt(rows, key, schema) or nearby}"
        )
    count = rows.filter(pl.lit(True), *tests).select(pl.len()).collect().item()
    also = " ".join(f"{name}={found[name][0]}" for name in lacking)
    raise LineageError(
        f"why: {asked}: {count:,} rows of '{published.name}', expected one\n"
        f"lacking of the key: {', '.join(lacking)}\n"
        f"hint: say also, as for the first of them, {also}"
    )


def _misspelt(
    rows: pl.LazyFrame, key: Mapping[str, str], schema: Mapping[str, pl.DataType]
) -> str:
    """Say what a text that no row has is probably meant to be."""
    for name, text in key.items():
        if schema[name].is_(pl.String) or isinstance(schema[name], pl.Enum):
            column = rows.select(pl.col(name).cast(pl.String)).unique().collect()
            known = column.to_series().drop_nulls()
            if text not in known and (meant := nearest(text, known)):
                return f"no row has {name}={text}{meant}"
    return ""


def _nearby(
    rows: pl.LazyFrame,
    published: SnapshotRecord,
    key: Mapping[str, str],
    schema: Mapping[str, pl.DataType],
) -> str:
    """Say what there is of all but one of the values that were asked for."""
    for left in reversed(list(key)):
        rest = {name: text for name, text in key.items() if name != left}
        tests = [equals(name, text, schema[name]) for name, text in rest.items()]
        found = (
            rows.filter(pl.lit(True), *tests)
            .select(left)
            .unique()
            .sort(left)
            .head(50)
            .collect()
        )
        if rest and found.height:
            values = some(map(str, found[left].to_list()))
            of = " ".join(f"{name}={text}" for name, text in rest.items())
            return f"of {of}, {left} is {values}"
    return f"`just sql 'from {published.name} limit 5'` shows some rows"


def equals(name: str, text: str, dtype: pl.DataType) -> pl.Expr:
    """Compare a column with a value as it is written; a LineageError if it is none."""
    if text in ("", "null"):
        return pl.col(name).is_null()
    value = pl.Series([text])
    try:
        if dtype == pl.Boolean:
            value = pl.Series([{"true": True, "false": False}[text.lower()]])
        elif isinstance(dtype, pl.Date | pl.Datetime):
            zone = getattr(dtype, "time_zone", None)
            value = value.str.to_datetime(time_unit="us", time_zone=zone).cast(dtype)
        else:
            value = value.cast(dtype)
    except (pl.exceptions.PolarsError, KeyError) as error:
        raise LineageError(f"why: {name}: expected {dtype}, found '{text}'") from error
    return pl.col(name) == pl.lit(value.item(), dtype)


def _example(published: SnapshotRecord, schema: Mapping[str, object]) -> str:
    """Write a question that can be asked."""
    column = next((name for name in schema if name not in published.key), "COLUMN")
    key = " ".join(f"{name}=..." for name in published.key)
    return f"`just why {published.name} {key} {column}`"


def _require_as_published(
    settings: Settings, plan: Plan, run: RunRecord, published: SnapshotRecord
) -> None:
    """Refuse a snapshot that the plan and the source of now would not make."""
    before = {stage.name: stage for stage in run.stages}
    changed = (
        [
            f"stage '{name}'"
            for name, node in plan.upstream([published.stage]).items()
            if name not in before
            or before[name].plan != node.digest
            or before[name].inputs != list(node.stage.inputs)
        ]
        if published.stage in plan.nodes
        else [f"stage '{published.stage}'"]
    )
    changed += _changed_files(settings, run)
    if published.is_left_behind or changed:
        found = some(changed) or "it was not selected by the last run"
        raise SnapshotError(
            f"why: '{published.name}' of run {run.run_id} is not what configuration,"
            " code and source make now\n"
            f"changed: {found}\n"
            "hint: `just run` makes it anew; a run with settings of its own is asked"
            " with the same ones"
        )


def _changed_files(settings: Settings, run: RunRecord) -> list[str]:
    """Name the files of the sources that are not what a run has read."""
    root, known = settings.root, {file.stat.path: file for file in run.files}
    found: dict[str, SourceFile] = {}
    for config in settings.sources.values():
        for file in find_files(sources.reads(config, root).path, root):
            found[shown(file, root)] = file
    same = {
        name
        for name, file in found.items()
        if name in known and stat_of(file, root) == known[name].stat
    }
    touched = contents([f for n, f in found.items() if n not in same], root, ())
    now = {file.stat.path: file.sha256 for file in touched}
    return [
        name
        for name in {**known, **found}
        if name not in same
        and (name not in known or now.get(name) != known[name].sha256)
    ]


def rows_of(settings: Settings, plan: Plan, store: Store, run: RunRecord) -> Rows:
    """Give the rows of a run's stages."""
    there = {
        snapshot.stage: scan_object(store, snapshot)
        for snapshot in run.snapshots
        if snapshot.stage in plan.nodes and not snapshot.is_left_behind
    }
    n_rows = {stage.name: stage.n_rows for stage in run.stages}
    places = Places(settings, {file.stat.path: file.sha256 for file in run.files})
    return Rows(settings, plan, there, n_rows, bool(run.n_bad_rows), places)
