"""Compute what a task asks for: in one pass, or part by part, here or on a cluster."""

import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.contracts.checks import Check
from pipeline.engine.one_pass import Execution, Work, execute
from pipeline.engine.parts.execute import Splitting, execute_parts, run_here
from pipeline.engine.parts.sizes import choose_n_parts, fits, memory_of
from pipeline.engine.parts.work import Slice
from pipeline.errors import ConfigError, PipelineError, SchemaError, SourceError
from pipeline.files.folder import Folder, open_folder
from pipeline.files.local import require_unchanged
from pipeline.files.parquet import scan_parquet
from pipeline.log import LOG, fields
from pipeline.panel.unique import repeated
from pipeline.plan.compose import compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE
from pipeline.progress import doing
from pipeline.run.contracts import compile_checks
from pipeline.run.freshness import Wanted
from pipeline.run.kept import describe, is_full, open_parts
from pipeline.run.task import Task
from pipeline.snapshots.records import QUARANTINE, SnapshotRecord
from pipeline.snapshots.store import Store, read_object
from pipeline.sources.scan import Scan, Streams
from pipeline.transforms import PastConfig

_MARK = 4
"""Bytes at both ends of a file of Parquet."""

_Scanning: TypeAlias = Callable[[bool, Streams], Scan]
"""Scans the source, with repair or without."""


def compute(
    wanted: Wanted, task: Task, work: Work, store: Store, staging: Path
) -> Execution:
    """Compute on the fast typed path, and once more with repair where that fails.

    Parameters
    ----------
    task : Task
        What of it to compute, and where to begin.
    work : Work
        What the pass is to give: see `work_of`.
    store : Store
        Where parts are kept, if there are any.
    staging : Path
        An empty folder, which receives ``<snapshot>.parquet`` per snapshot.

    Raises
    ------
    PipelineError
        If the source cannot be read, or the pass fails.
    """
    others = _read_others(wanted, task)
    scan = _scanning(wanted) if task.reads_source else None
    execution = _compute_once(wanted, task, work, store, staging, others, scan)
    if execution is None:
        LOG.info("some values do not fit their column's type: reading again, repairing")
        execution = _compute_once(
            wanted, task, work, store, staging, others, scan, repair=True
        )
        assert execution is not None
    if execution.bad is not None:
        of = {SOURCE: execution.bad} | {name: bad for name, (_, bad) in others.items()}
        cells = [bad.select(pl.lit(n).alias("source"), "*") for n, bad in of.items()]
        execution = replace(execution, bad=pl.concat(cells))
    for name, n_rows in execution.n_rows.items():
        LOG.debug("%s: %d rows", name, n_rows, extra=fields(stage=name, n_rows=n_rows))
    seconds = execution.execute_s
    LOG.debug("executed", extra=fields(event="executed", seconds=seconds))
    return execution


def _compute_once(
    wanted: Wanted,
    task: Task,
    work: Work,
    store: Store,
    staging: Path,
    others: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]],
    scan_source: _Scanning | None,
    *,
    repair: bool = False,
) -> Execution | None:
    """Compose and execute; None if cells were set aside that a repair might mend."""
    settings = wanted.settings
    given = {stage: scan_parquet(path) for stage, path in task.leaves.items()}
    given |= {name: rows.lazy() for name, (rows, _) in others.items()}
    scan = scan_source(repair, "whole") if scan_source else None
    with _explained(wanted, scan, failed):
        # Without stages there are objects to check, or cells to set aside: no rows.
        n_parts = 1
        if task.stages and not is_one_pass(wanted, task):
            n_parts = _choose_n_parts(wanted, task, scan)
        if not task.stages or (n_parts == 1 and settings.engine.use == "polars"):
            return _in_one_pass(wanted, work, given, scan, staging)
        with _splitting(wanted, task, store, n_parts, repair=repair) as splitting:
            pieces = scan_source(repair, "pieces") if scan_source else None
            return _in_parts(wanted, work, given, pieces, staging, splitting)


def _scanning(wanted: Wanted) -> _Scanning:
    """Say how the source is scanned: of several CSV files, what was parsed of each."""
    source, root = wanted.settings.source, wanted.settings.root
    identity = wanted.identities[SOURCE]
    with _explained(wanted, None, failed), doing("parsing"):
        parsed = sources.parse_once(
            source,
            root,
            identity.files,
            partial(require_same_source, wanted),
        )
    if parsed is not None:
        return lambda _, streams: parsed.scan(streams)
    return lambda repair, streams: sources.scan(
        source, root, repair=repair, streams=streams
    )


def _read_others(
    wanted: Wanted, task: Task
) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """Read the other sources that are asked for: good rows, and bad cells."""
    settings = wanted.settings
    names = settings.others if task.reads_source else wanted.plan.reads(task.stages)
    found: dict[str, tuple[pl.DataFrame, pl.DataFrame]] = {}
    for name in names:
        config = settings.others[name]
        try:
            found[name] = sources.read_fetched(config, settings.root)
            sources.refuse_too_many(found[name][1], config, settings.root)
        except SourceError as error:
            where = f"its settings stand under sources.{name}, not source"
            raise SourceError(f"{error}\n  {where}") from error
    return found


def is_one_pass(wanted: Wanted, task: Task) -> bool:
    """Tell whether stages read other sources, which are given whole, in one pass.

    A ConfigError if parts or a cluster are asked for.
    """
    names, engine = wanted.plan.reads(task.stages), wanted.settings.engine
    if not names:
        return False
    if engine.use != "polars" or engine.partitions not in (1, "auto"):
        raise ConfigError(
            "engine: stages that read other sources are computed in one pass\n"
            f"found: {', '.join(names)}\n"
            "hint: engine.use=polars engine.partitions=auto"
        )
    return True


def work_of(
    wanted: Wanted, task: Task, store: Store, previous: Iterable[SnapshotRecord]
) -> Work:
    """Say what the pass is to give."""
    computed = tuple(name for name in task.compute if name != QUARANTINE)
    return Work(
        compute=computed,
        count=task.stages,
        checks=_compile_all(wanted, task, store, previous),
        objects={
            s.name: store.object(s.name, s.fingerprint)
            for s in task.snapshots
            if s.name in task.check and s.name not in computed
        },
    )


def _in_one_pass(
    wanted: Wanted,
    work: Work,
    given: Mapping[str, pl.LazyFrame],
    scan: Scan | None,
    staging: Path,
) -> Execution | None:
    """Compute all rows at once."""
    n_bytes = sum(file.stat.n_bytes for file in wanted.source.files) if scan else 0
    how_far = read_and_written(n_bytes, staging, len(work.compute))
    with doing("computing", how_far):
        settings = wanted.settings
        rows, bad = sources.declared(settings.source, settings.root), None
        if scan is not None:
            rows, bad = scan.frames()
        plan = compose_again(wanted.plan, rows, given)
        execution = execute(plan, work, bad, staging)
    return _with_lines(execution, wanted, scan)


def read_and_written(n_bytes: int, staging: Path, of: int) -> Callable[[], str]:
    """Say how much of the source this process has read since, then what is written.

    Polars reads the files of a pass before it writes the first rows; what it has read
    is seen where there is a ``/proc``. A file of Parquet that is whole has an end.
    """
    before = _n_read()

    def how_far() -> str:
        if not (n_bytes or of):
            return ""
        n_read = _n_read() - before
        if n_read < n_bytes:
            return f"{n_read / 1e6:,.0f} of {n_bytes / 1e6:,.0f} MB read"
        files = [file for file in staging.glob("*.parquet") if file.stat().st_size]
        n_mb = sum(file.stat().st_size for file in files) / 1e6
        n_whole = sum(map(_is_whole, files))
        return f"{n_mb:,.0f} MB written, {n_whole} of {of} snapshots"

    return how_far


def _is_whole(file: Path) -> bool:
    """Tell whether a file of Parquet has its end, which is as its beginning."""
    with file.open("rb") as content:
        begins = content.read(_MARK)
        return content.seek(-_MARK, os.SEEK_END) > 0 and content.read(_MARK) == begins


def _n_read() -> int:
    """Count the bytes that this process has read so far, from files or their cache."""
    with suppress(OSError):
        first, *_ = Path("/proc/self/io").read_text().splitlines()
        return int(first.removeprefix("rchar: "))
    return 0


def _in_parts(
    wanted: Wanted,
    work: Work,
    given: Mapping[str, pl.LazyFrame],
    scan: Scan | None,
    staging: Path,
    splitting: Splitting,
) -> Execution | None:
    """Compute part by part."""
    source, root = wanted.settings.source, wanted.settings.root

    def accept(cells: pl.DataFrame) -> bool:
        found = _numbered(cells, wanted, scan)
        if found is not None:
            sources.refuse_too_many(found, source, root)
        return found is not None

    slices = [Slice(stage, lf) for stage, lf in given.items()]
    if scan is not None:
        slices += [Slice(SOURCE, s.rows, s) for s in scan.streams]
    plan = compose_again(wanted.plan, sources.declared(source, root), given)
    say = partial(_parts_failed, folder=splitting.folder, staging=staging)
    with _explained(wanted, scan, say):
        execution = execute_parts(plan, work, slices, staging, splitting, accept)
        return _with_lines(execution, wanted, scan) if execution else None


def _with_lines(
    execution: Execution, wanted: Wanted, scan: Scan | None
) -> Execution | None:
    """Say of cells that were set aside where they stand; None if they need repair."""
    if execution.bad is None:
        return execution
    cells = _numbered(execution.bad, wanted, scan)
    return None if cells is None else replace(execution, bad=cells)


def _numbered(
    cells: pl.DataFrame, wanted: Wanted, scan: Scan | None
) -> pl.DataFrame | None:
    """Find the lines of cells that were set aside; None if they must be repaired."""
    if scan is None or (cells.height and not scan.exact):
        return None
    return scan.numbered(cells, wanted.settings.root)


@contextmanager
def _explained(
    wanted: Wanted, scan: Scan | None, say: Callable[[Exception], PipelineError]
) -> Generator[None]:
    """Say why a pass failed: by the source, where something is wrong with it."""
    try:
        yield
    except (PolarsError, OSError) as error:
        require_same_source(wanted)
        fault: PipelineError | None = repeated(error)
        places = _joining(wanted.plan, str(fault))
        if fault is not None and places:
            fault = SchemaError(f"{' or '.join(places)}: {fault}")
        if fault is None and scan is not None and not is_full(error):
            fault = scan.diagnose(scan.files)
        raise fault or say(error) from error


def _joining(plan: Plan, fault: str) -> list[str]:
    """Name the stages that join by the key that was not unique; several may."""
    places: dict[str, int] = {}
    for stage in (node.stage for node in plan.nodes.values()):
        keys = [*getattr(stage.config, "keys", ())]
        keys += [stage.config.time] if isinstance(stage.config, PastConfig) else []
        values = ", ".join(f"{re.escape(key)}=.*" for key in keys)
        if len(stage.inputs) > 1 and re.search(f"row of {values}$", fault, re.M):
            places[stage.place] = len(keys)
    # The value of a single key may look like that of two.
    most = max(places.values(), default=0)
    return [place for place, n_keys in places.items() if n_keys == most]


def require_same_source(wanted: Wanted) -> None:
    """Refuse a run whose source changed after it was fingerprinted."""
    root = wanted.settings.root
    for name, identity in wanted.identities.items():
        require_unchanged(identity.files, wanted.patterns[name], root)


def failed(error: Exception) -> PipelineError:
    """Say that the pass over the data failed."""
    return PipelineError(
        f"the run failed while it computed the snapshots\nfound: {error}\n"
        "hint: nothing was published: what there was is as it was;"
        " `just verify` looks for damaged objects"
    )


def _parts_failed(error: Exception, folder: Folder, staging: Path) -> PipelineError:
    """Say that a run part by part failed, and how to go on."""
    hint = "run again to go on behind it"
    if is_full(error):
        hint = f"make room, or name another place as engine.folder, then {hint}"
    return PipelineError(
        "the run failed while it computed the snapshots part by part\n"
        f"found: {describe(error, folder.uri, str(staging))}\n"
        f"hint: nothing was published, what is finished is in {folder.uri};"
        f" {hint}, or `just run --force` to begin anew"
    )


def _compile_all(
    wanted: Wanted, task: Task, store: Store, previous: Iterable[SnapshotRecord]
) -> dict[str, list[Check]]:
    """Turn the contracts that must be looked at into expressions."""
    before = {
        s.name: found.n_rows
        for s in previous
        if (found := read_object(store, s.name, s.fingerprint))
    }
    return {
        name: compile_checks(wanted.settings, wanted.plan, name, before.get(name))
        for name in task.check
    }


def most_rows(task: Task, scan: Scan | None) -> float:
    """Say how many rows a task begins with, at most; infinite if nothing tells.

    Parameters
    ----------
    scan : Scan or None
        The source, if it is read.
    """
    leaves = (
        scan_parquet(path).select(pl.len()).collect().item()
        for path in task.leaves.values()
    )
    return sum(leaves) + (scan.most_rows if scan else 0)


def _choose_n_parts(wanted: Wanted, task: Task, scan: Scan | None) -> int:
    """Decide on the number of parts; lines are counted only where that decides."""
    engine, plan = wanted.settings.engine, wanted.plan
    if isinstance(engine.partitions, int):
        return engine.partitions
    given = [*task.leaves, *([SOURCE] if scan else [])]
    if scan and not fits(engine, plan, given, most_rows(task, scan)):
        scan = scan.counted()
    return choose_n_parts(engine, plan, given, most_rows(task, scan))


@contextmanager
def _splitting(
    wanted: Wanted, task: Task, store: Store, n_parts: int, *, repair: bool
) -> Generator[Splitting]:
    """Say where the parts are, and who computes them."""
    engine = wanted.settings.engine
    key = _parts_key(wanted, task, n_parts)
    folder = open_parts(store, engine.folder, key)
    if repair:
        # A run that was killed finds out anew that it must repair, then goes on here.
        folder = open_folder(folder.at("repaired"))
    if engine.use == "polars":
        yield Splitting(folder, n_parts, memory_of(engine), run_here)
        return
    from pipeline.engine.spark import on_spark  # late: few runs need a cluster

    log = store.logs / "spark.log"
    with on_spark(engine, folder, log, store.root) as (run, n_at_once):
        if engine.partitions == "auto":
            n_parts = _remembered(folder, max(n_parts, 2 * n_at_once))
        yield Splitting(folder, n_parts, memory_of(engine), run)


def _remembered(folder: Folder, n_parts: int) -> int:
    """Keep to the number of parts that a killed run began with.

    Another cluster, or the same with more workers there, would suggest another.
    """
    found = folder.read("n_parts")
    if not found:
        folder.write(str(n_parts).encode(), "n_parts")
        return n_parts
    return int(found)


def _parts_key(wanted: Wanted, task: Task, n_parts: int) -> str:
    """Name what is to be computed, so that a run that was killed finds its parts."""
    prints = wanted.fingerprints
    text = msgspec.json.encode(
        (
            # The names are those of files, and the snapshots' hashes hold their keys
            # and the names of the source's files, which bad cells tell of.
            [(name, prints.stages[name]) for name in task.stages],
            sorted(prints.snapshots.items()),
            sorted(task.compute),
            sorted(task.leaves),
            sorted(wanted.code.items()),
            n_parts,
            wanted.settings.engine.use,
        )
    )
    return hashlib.sha256(text).hexdigest()[:16]
