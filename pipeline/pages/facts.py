"""All that the pages tell, read once: records, logs and what is wanted now.

No snapshot is read. Of a project whose configuration cannot be read, the pages tell
what its runs recorded.
"""

import hashlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import msgspec
import polars as pl
from omegaconf import MISSING

from pipeline.config import Layer, Tree, holds
from pipeline.errors import (
    ConfigError,
    PipelineError,
    QueryError,
    SnapshotError,
    mask_tree,
    masked,
)
from pipeline.files.parquet import read_parquet
from pipeline.lineage.graph import SOURCE, Edge, Lineage, TracedStage
from pipeline.log import Event, logs_of, read_log
from pipeline.pages.ways import Ways
from pipeline.pages.written import expressions_of
from pipeline.plan.code import PACKAGE
from pipeline.plan.descriptions import Descriptions, describe
from pipeline.plan.plan import Plan, has_as_many_rows, never_read
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.freshness import Status, look, statuses_of
from pipeline.run.run import check
from pipeline.snapshots.catalog import contributed
from pipeline.snapshots.profile import ColumnProfile
from pipeline.snapshots.queries import NamedQuery, load_query, query_names
from pipeline.snapshots.records import (
    QUARANTINE,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
)
from pipeline.snapshots.store import (
    Store,
    is_writing,
    kept_runs,
    open_store,
    read_object,
)
from pipeline.snapshots.store import read_runs as read_all_runs
from pipeline.transforms import OWN


@dataclass(frozen=True)
class Code:
    """The file of a transformation, as it is now."""

    file: str
    text: str
    purpose: str
    """The docstring of its function."""
    is_changed: bool
    """Whether the newest run was of another text."""


@dataclass(frozen=True)
class Value:
    """A setting of a stage."""

    name: str
    value: Any
    file: str
    """Where it is said; empty of what only the code says."""
    written: Any
    """How it is said there, if that is by the name of another value."""
    default: Any
    is_default: bool

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default == MISSING


@dataclass(frozen=True)
class Facts:
    """What is known of a project."""

    store: Store
    runs: Sequence[RunRecord]
    """Those kept, the oldest first; at least one."""
    objects: Mapping[tuple[str, str], ObjectRecord]
    """By snapshot and fingerprint, those that are there."""
    settings: Settings | None
    """None where the configuration of now cannot be read."""
    plan: Plan | None
    statuses: Mapping[str, Status]
    """Of snapshots, as of now; none without settings."""
    fault: str
    """Why there are no settings, or no statuses."""

    @property
    def root(self) -> Path:
        """The folder of the project."""
        return self.store.root

    @property
    def name(self) -> str:
        """What the pages call the project."""
        return self.root.resolve().name or "project"

    @property
    def run(self) -> RunRecord:
        """The newest run."""
        return self.runs[-1]

    @property
    def before(self) -> RunRecord | None:
        """The run before it, if that is kept."""
        return self.runs[-2] if len(self.runs) > 1 else None

    @cached_property
    def snapshots(self) -> dict[str, SnapshotRecord]:
        """The snapshots of the newest run."""
        return {s.name: s for s in self.run.snapshots}

    def object(
        self, snapshot: str, run: RunRecord | None = None
    ) -> ObjectRecord | None:
        """Find what is in a snapshot of a run, the newest by default."""
        of = run or self.run
        return self.objects.get((snapshot, of.fingerprints.get(snapshot, "")))

    def profile(self, snapshot: str) -> dict[str, ColumnProfile]:
        """Give the figures of a snapshot's columns; none if its object is not there."""
        found = self.object(snapshot)
        return {c.name: c for c in found.columns} if found else {}

    @cached_property
    def lineage(self) -> Lineage:
        """The graph of columns, as the newest run recorded it."""
        run = self.run
        stages = {
            s.name: TracedStage(
                s.transform, s.inputs, s.snapshot, [name for name, _ in s.columns]
            )
            for s in run.stages
        }
        edges = [Edge(*edge) for edge in run.lineage]
        columns = {SOURCE: self._declared(run.config.get(SOURCE))}
        others = cast("Tree", run.config.get("sources") or {})
        columns |= {name: self._declared(tree) for name, tree in others.items()}
        for edge in edges:  # of a source that found its columns itself
            known = columns.get(edge.input)
            if known is not None and edge.input_column not in known:
                known.append(edge.input_column)
        return Lineage(columns.pop(SOURCE), stages, edges, columns)

    @staticmethod
    def _declared(source: Any) -> list[str]:
        """Name the columns that a source's configuration declares."""
        tree = cast("Tree", source or {})
        return [*cast("Tree", tree.get("columns") or {})]

    @cached_property
    def dtypes(self) -> dict[tuple[str, str], str]:
        """The dtype of each column of a stage, or what a source declares it to be."""
        found = {(s.name, c): dtype for s in self.run.stages for c, dtype in s.columns}
        for name, tree in self.sources.items():
            for column, kind in cast("Tree", tree.get("columns") or {}).items():
                is_more = isinstance(kind, dict)
                found[name, column] = str(
                    cast("Tree", kind).get("kind", "") if is_more else kind
                )
        return found

    @cached_property
    def n_rows(self) -> dict[str, int | None]:
        """The rows of each stage, and of sources of which a stage keeps all rows."""
        found = {stage.name: stage.n_rows for stage in self.run.stages}
        for stage in self.run.stages:
            node = self.plan.nodes.get(stage.name) if self.plan else None
            if node and self.plan and {*stage.inputs} & {*self.sources}:
                given = [never_read(self.plan.schema(n)) for n in node.stage.inputs]
                if has_as_many_rows(node.stage.apply(*given), given[0]):
                    found.setdefault(stage.inputs[0], stage.n_rows)
        return found

    @property
    def sources(self) -> dict[str, Tree]:
        """What the newest run was told of each source."""
        config = self.run.config
        others = cast("dict[str, Tree]", config.get("sources") or {})
        return {SOURCE: cast("Tree", config.get(SOURCE) or {}), **others}

    @cached_property
    def logs(self) -> dict[str, list[Event]]:
        """What each kept run logged; nothing of a run whose log is gone."""
        files = logs_of(self.store.logs)
        found: dict[str, list[Event]] = {}
        for run in self.runs:
            if run.run_id in files:
                try:
                    found[run.run_id] = read_log(files[run.run_id])[0]
                except SnapshotError:
                    continue
        return found

    @cached_property
    def failed(self) -> tuple[str, str] | None:
        """The newest run and why, if it failed or died instead of publishing.

        What is below the first line of an error may show rows: see ``docs.samples``.
        """
        if is_writing(self.store):
            return None
        *_, (run_id, file) = [("", None), *logs_of(self.store.logs).items()]
        if file is None or run_id <= self.run.run_id:
            return None
        try:
            events, _ = read_log(file)
        except SnapshotError:
            return None
        last = events[-1] if events else {}
        how = last.get("event", "")
        if how in ("published", "finished", "stopped"):
            return None
        text = _from_root(str(last.get("text", "")), self.root)
        if not (self.settings and self.settings.docs.samples):
            text = _without_rows(text)
        return run_id, text if how == "failed" else "it died"

    def peak_mib(self, run: RunRecord) -> int | None:
        """Tell the memory that a run took at most, if its log does."""
        return max(
            (e.get("peak_mib", 0) for e in self.logs.get(run.run_id, [])), default=None
        )

    def describe(self, owner: str, column: str) -> str:
        """Tell what a column of a stage or source means, if that is said."""
        found = self._descriptions.get(owner, {}).get(column)
        return str(found) if found else ""

    @cached_property
    def _descriptions(self) -> Descriptions:
        """What is said now, or else was when the newest run was."""
        if self.settings and self.plan:
            return describe(self.settings, self.plan)
        return self.run.descriptions

    def learned_from(self, model: Mapping[str, Any]) -> str | None:
        """Name the snapshot that a row of ``meta.models`` learned from."""
        found = self.objects.values()
        return next(
            (o.snapshot for o in found if o.content_hash == model["features"]), None
        )

    def meta(self, table: str) -> list[defaultdict[str, Any]]:
        """Read the rows of a table that others than runs have for the catalog.

        Of figures by slice, those of all rows. What an older version of the package
        did not know is None, as the catalog has it.
        """
        if table not in self._meta:
            file = self._contributed.get(table)
            df = read_parquet(file) if file else pl.DataFrame()
            overall = df.filter(slice_by="all") if "slice_by" in df.columns else df
            self._meta[table] = [
                defaultdict[str, Any](lambda: None, row) for row in overall.to_dicts()
            ]
        return self._meta[table]

    @cached_property
    def _meta(self) -> dict[str, list[defaultdict[str, Any]]]:
        return {}

    @cached_property
    def _contributed(self) -> dict[str, Path]:
        return contributed(self.store)

    @cached_property
    def stage_times(self) -> dict[str, defaultdict[str, Any]]:
        """What `just profile` has last measured of stages and sources of the run."""
        there = {*self.sources, *(stage.name for stage in self.run.stages)}
        rows = {row["stage"]: row for row in self.meta("stage_times")}
        return {name: row for name, row in rows.items() if name in there}

    @cached_property
    def codes(self) -> dict[str, Code]:
        """The code of each transformation that the newest run has used."""
        names = dict.fromkeys(stage.transform for stage in self.run.stages)
        found = {name: self._code(name) for name in names}
        return {name: code for name, code in found.items() if code}

    def _code(self, name: str) -> Code | None:
        """Read the file of a transformation, of the project or the package."""
        for home in (self.root, PACKAGE.parent):
            folder = OWN if home is self.root else f"{PACKAGE.name}/transforms"
            file = f"{folder}/{name}.py"
            try:
                content = (home / file).read_bytes()
            except OSError:
                continue
            text = content.decode(errors="replace")
            then = self.run.code.get(file)
            now = hashlib.sha256(content).hexdigest()
            is_changed = then is not None and not now.startswith(then)
            return Code(file, text, purpose_of(text, name), is_changed)
        return None

    @cached_property
    def expressions(self) -> dict[str, dict[str, str]]:
        """How each stage writes its columns; empty without a plan of now."""
        nodes = self.plan.nodes if self.plan else ()
        return {name: expressions_of(self.plan, name) for name in nodes if self.plan}

    @cached_property
    def ways(self) -> Ways:
        """The ways of columns through the stages."""
        return Ways(self.lineage, self.expressions)

    @cached_property
    def queries(self) -> dict[str, NamedQuery]:
        """The named queries that can be read."""
        folder = self.root / "queries"
        found: dict[str, NamedQuery] = {}
        for name in query_names(folder):
            try:
                found[name] = load_query(folder, name)
            except QueryError:
                continue
        return found

    @cached_property
    def words(self) -> dict[str, set[str]]:
        """The words that stand in each query, in small letters."""
        return {
            name: set(re.findall(r"\w+", query.sql.lower()))
            for name, query in self.queries.items()
        }

    def values(self, stage: str) -> Iterator[Value]:
        """Yield each setting of a stage in the newest run.

        Files and defaults are those of the configuration of now.
        """
        [record] = [s for s in self.run.stages if s.name == stage]
        layers = self.settings.layers if self.settings else ()
        first = next((la for la in layers if stage in la.tree), None)
        for name, value in record.config.items():
            parts = [stage, name]
            last = next((la for la in reversed(layers) if holds(la.tree, parts)), None)
            written = _shown(last, stage, name) if last else value
            default = first and _shown(first, stage, name)
            if written == value or "${" not in str(written):
                written = None
            file = last.name if last else ""
            yield Value(name, value, file, written, default, first is last)


def _shown(layer: Layer, stage: str, name: str) -> Any:
    """Take a setting as a layer has it, fit to be seen."""
    return mask_tree(layer.tree[stage]).get(name)


def purpose_of(text: str, function: str) -> str:
    """Take the docstring of a function of a module, if it has one."""
    found = re.search(rf'(?sm)^def {re.escape(function)}\([^"]*:\n\s+"""(.*?)"""', text)
    return inspect.cleandoc(found[1]) if found else ""


def read_facts(
    root: Path, *, profile: str | None = None, overrides: tuple[str, ...] = ()
) -> Facts:
    """Read what is known of a project, with the profile of its newest run by default.

    Raises
    ------
    SnapshotError
        If nothing has been published yet, or the newest run cannot be read.
    """
    store = open_store(root)
    runs = kept_runs(read_all_runs(store))
    if not runs:
        raise SnapshotError(
            f"{store.catalog}: there are no snapshots yet\nhint: `just run` makes them"
        )
    found = {
        s.object: read_object(store, *s.object) for run in runs for s in run.snapshots
    }
    objects = {of: record for of, record in found.items() if record}
    settings, plan, statuses, fault = None, None, dict[str, Status](), ""
    try:
        settings = load_settings(
            root, profile=profile or runs[-1].profile, overrides=overrides
        )
        plan = check(settings)
        wanted = look(settings, plan, store, runs, fetched=False)
        statuses = {s.name: s for s in statuses_of(wanted, store, runs[-1])}
    except PipelineError as error:
        fault = _from_root(masked(str(error)), root)
        if not isinstance(error, ConfigError):
            fault = _without_rows(fault)
    runs = [_without_place(run, root) for run in runs]
    statuses = {
        name: replace(status, reasons=_relative(status.reasons, root))
        for name, status in statuses.items()
    }
    if not settings or not settings.docs.samples:
        objects = {of: _without_cells(record) for of, record in objects.items()}
    return Facts(store, runs, objects, settings, plan, statuses, fault)


def _without_place(run: RunRecord, root: Path) -> RunRecord:
    """Name files of the project from its folder on, wherever that lies."""
    snapshots = [
        msgspec.structs.replace(s, reasons=[*_relative(s.reasons, root)])
        for s in run.snapshots
    ]
    code = dict(zip(_relative(run.code, root), run.code.values(), strict=True))
    dialects = [*_relative(run.dialects, root)]
    return msgspec.structs.replace(
        run, snapshots=snapshots, code=code, dialects=dialects
    )


def _relative(texts: Iterable[str], root: Path) -> tuple[str, ...]:
    """Take the project's folder out of texts."""
    return tuple(_from_root(text, root) for text in texts)


def _from_root(text: str, root: Path) -> str:
    """Take the project's folder out of a text, however that is reached."""
    for place in (root.absolute(), root.resolve(), root):
        text = re.sub(rf"(?<![\w./-]){re.escape(str(place))}/", "", text)
    return text


def _without_rows(text: str) -> str:
    """Take the first line of an error: those below may show what is in the data."""
    return text.partition("\n")[0]


def _without_cells(record: ObjectRecord) -> ObjectRecord:
    """Leave out the extremes of the cells set aside: each is what somebody wrote."""
    if record.snapshot != QUARANTINE:
        return record
    columns = [
        msgspec.structs.replace(c, min=None, max=None) if c.name == "value" else c
        for c in record.columns
    ]
    return msgspec.structs.replace(record, columns=columns)
