"""What the store remembers, as JSON beside the objects; the catalog is made of it."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from pipeline.files.local import FileContent

QUARANTINE = "quarantine"
"""The snapshot of the cells that were set aside."""

PREDICTIONS = "predictions"
PREDICTED_TOTALS = "predicted_totals"
FORECASTS = (PREDICTIONS, PREDICTED_TOTALS)
"""The snapshots that no stage makes: a champion's, see `pipeline.modeling`."""

SCORED_BY = "`just score`"
"""What makes a snapshot of the predictions for files that were given."""

FORMAT = 2
"""Counts the changes to these records; those of another format are not read."""

State: TypeAlias = Literal["computed", "restored", "fresh", "kept"]
"""How a run came by a snapshot: made it; found it in the store; had it already; or left
it as it was, because it was not selected."""


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class ColumnProfile(msgspec.Struct, frozen=True):
    """Statistics of a column, nulls left out; None where a dtype has no such figure."""

    name: str
    dtype: str
    n_nulls: int
    """Rows without a value."""
    n_distinct: int | None
    """Above 65,536 rows by HyperLogLog, with a standard error of 7 %.

    That is of the 256 registers that Polars has where it streams.
    """
    min: str | None
    max: str | None
    mean: float | None
    quantiles: list[float | None] | None
    """Of numbers, at `QUANTILES`; of every 32nd row where there are more than 65,536.
    """
    content_hash: str = ""
    """Equal for equal values in equal rows; empty where it was not yet looked at."""


class ObjectRecord(msgspec.Struct, frozen=True):
    """An object: one immutable Parquet file, and what is in it."""

    format: int
    snapshot: str
    fingerprint: str
    """What it was made of: plan, source and versions."""
    run_id: str
    n_rows: int
    n_bytes: int
    crc32: str
    """Of the file's bytes, as `checksum` gives it."""
    content_hash: str
    """What came of it: equal for equal rows, columns and dtypes."""
    columns: list[ColumnProfile]


class Description(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a column means, and what its values are measured in."""

    description: Annotated[str, msgspec.Meta(min_length=1)]
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.description} ({self.unit})" if self.unit else self.description


class StageRecord(msgspec.Struct, frozen=True):
    """A stage of a run; ``plan`` is the hash of what it does, chained to nothing.

    ``n_rows`` is None if no run has counted them.
    """

    name: str
    transform: str
    inputs: list[str]
    snapshot: str | None
    config: dict[str, Any]
    plan: str
    fingerprint: str
    n_rows: int | None
    columns: list[tuple[str, str]]


class CheckRecord(msgspec.Struct, frozen=True):
    """What became of one check of a snapshot's contract."""

    name: str
    severity: str
    description: str
    n_failures: int


class SnapshotRecord(msgspec.Struct, frozen=True):
    """A snapshot of a run."""

    name: str
    stage: str
    key: list[str]
    fingerprint: str
    state: State
    contract: str
    """Hash of the contract it was held to."""
    reasons: list[str]
    """Why it is not the one of the run before."""
    checks: list[CheckRecord]
    made_by: str = "`just run`"
    """The command that makes it."""
    contents: dict[str, str] = {}
    """The content hash of each column."""

    @property
    def object(self) -> tuple[str, str]:
        """What its object is known by."""
        return self.name, self.fingerprint

    @property
    def is_guest(self) -> bool:
        """Whether no stage makes it: it is of the rows and profile of its run."""
        return not self.stage and self.name != QUARANTINE

    @property
    def is_scored(self) -> bool:
        """Whether it holds predictions for files that were given, and stays."""
        return self.is_guest and self.made_by == SCORED_BY

    @property
    def is_left_behind(self) -> bool:
        """Whether it is out of step with the others, as it was not selected."""
        return self.state == "kept" and not self.is_guest


EdgeRecord: TypeAlias = tuple[str, str | None, str, str, str]
"""The fields of a `pipeline.lineage.Edge`."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A published run, with all that is needed to say later what changed."""

    format: int
    run_id: str
    started_at: datetime
    n_kept: int
    """Of the runs up to this one, the last so many could be queried and restored."""
    restores: str | None
    profile: str | None
    source: str
    source_plan: str
    files: list[FileContent]
    dialects: list[str] = []
    """What was found out of how they are written."""
    n_bad_rows: int
    execute_s: float
    total_s: float
    versions: dict[str, str]
    config: dict[str, Any]
    code: dict[str, str]
    stages: list[StageRecord]
    snapshots: list[SnapshotRecord]
    lineage: list[EdgeRecord]
    descriptions: dict[str, dict[str, Description]] = {}
    """What columns mean, by stage, source, or snapshot without a stage, and column."""
    commit: str | None = None
    """Of the project's git repository, with ``-dirty`` if files differ from it."""

    @property
    def fingerprints(self) -> dict[str, str]:
        """Those of the objects, by snapshot."""
        return {snapshot.name: snapshot.fingerprint for snapshot in self.snapshots}

    def descriptions_of(self, snapshot: SnapshotRecord) -> dict[str, Description]:
        """Say what columns of a snapshot mean, and perhaps of columns it lacks."""
        return self.descriptions.get(snapshot.stage or snapshot.name, {})
