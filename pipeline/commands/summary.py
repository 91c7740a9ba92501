"""What a command says of how it ended, to those whom `notify` names."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from pipeline.errors import n_of
from pipeline.files.commit import commit_of
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import Store, read_current, read_object

Status: TypeAlias = Literal["failure", "warning", "success"]


class Failure(msgspec.Struct, frozen=True):
    """An error, as the standard error has it: its first line, those below, the hint."""

    what: str
    found: list[str]
    hint: str


class Check(msgspec.Struct, frozen=True):
    """A check of a contract that rows have failed."""

    snapshot: str
    check: str
    severity: str
    n_failures: int


class Published(msgspec.Struct, frozen=True):
    """A snapshot of the newest run, and how that came by it."""

    name: str
    rows: int | None
    state: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended; as JSON this is the format 1."""

    format: int = 1
    status: Status
    text: str
    """All of it in a line."""
    project: str
    """The name of its folder."""
    command: str
    exit_code: int
    error: Failure | None
    warnings: list[str]
    checks_failed: list[Check]
    started_at: datetime
    seconds: float
    run_id: str | None
    """Of the run that this command has begun, whose log ``just runs ID`` shows; None
    where it had none to do."""
    published: str | None
    """The run whose snapshots readers see now."""
    snapshots: list[Published]
    commit: str | None
    """With ``-dirty`` where files differ from it."""


def failure_of(text: str) -> Failure:
    """Tell the parts of an error's text."""
    body, _, hint = text.partition("\nhint: ")
    what, *found = body.splitlines() or [""]
    return Failure(what, [line.strip().removeprefix("found: ") for line in found], hint)


def summary_of(
    root: Path,
    command: str,
    *,
    status: Status,
    exit_code: int,
    error: str | None,
    warnings: Sequence[str],
    checks: Sequence[Check],
    started_at: datetime,
    seconds: float,
    run_id: str | None,
) -> Summary:
    """Say how a command ended, and what is published now."""
    store = Store(root)
    current = read_current(store)
    has_log = bool(run_id) and (store.logs / f"{run_id}.jsonl").exists()
    failure = None if error is None else failure_of(error)
    how = f"failed with exit code {exit_code}" if exit_code else f"{seconds:.1f} s"
    said = f": {failure.what}" if failure else ""
    warned = f", {n_of(len(warnings), 'warning')}" if warnings else ""
    return Summary(
        status=status,
        text=f"{root.name}: {command}: {how}{said}{warned}",
        project=root.name,
        command=command,
        exit_code=exit_code,
        error=failure,
        warnings=[*warnings],
        checks_failed=[*checks],
        started_at=started_at,
        seconds=round(seconds, 3),
        run_id=run_id if has_log else None,
        published=current and current.run_id,
        snapshots=[*_snapshots(store, current)],
        commit=commit_of(root),
    )


def _snapshots(store: Store, run: RunRecord | None) -> Iterator[Published]:
    """List what a run has published."""
    for s in run.snapshots if run else ():
        there = read_object(store, *s.object)
        yield Published(s.name, there and there.n_rows, s.state)
