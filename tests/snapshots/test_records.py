"""Records come back from their JSON as they were, and know what they are of."""

from datetime import UTC, datetime

import msgspec
import pytest

from pipeline.files.local import FileContent, FileStat
from pipeline.snapshots.records import (
    FORMAT,
    QUARANTINE,
    CheckRecord,
    ColumnProfile,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
    StageRecord,
    State,
)


def snapshot(
    name: str = "a", stage: str = "one", state: State = "kept"
) -> SnapshotRecord:
    check = CheckRecord("key", "error", "unique rows", 0)
    return SnapshotRecord(name, stage, ["x"], "f" * 20, state, "", ["new"], [check])


def test_a_run_comes_back_from_its_json_as_it_was() -> None:
    record = RunRecord(
        format=FORMAT,
        run_id="r20260101_000000_000",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        n_kept=10,
        restores=None,
        profile="ci",
        source="csv",
        source_plan="plan",
        files=[FileContent(FileStat("raw.csv", 9, 1, 2, 3), "hash", 7)],
        n_bad_rows=1,
        execute_s=0.5,
        total_s=1.5,
        versions={"polars": "2.1"},
        config={"source": {"kind": "csv", "scale": 1}},
        code={"one": "hash"},
        stages=[StageRecord("one", "f", ["source"], None, {}, "", "", None, [])],
        snapshots=[snapshot()],
        lineage=[("one", None, "source", "Year", "filter")],
    )
    assert msgspec.json.decode(msgspec.json.encode(record), type=RunRecord) == record


def test_an_object_comes_back_from_its_json_as_it_was() -> None:
    column = ColumnProfile("x", "Int64", 0, 2, "1", "2", 1.5, [1.0, None])
    record = ObjectRecord(
        FORMAT, "a", "f" * 20, "r20260101_000000_000", 2, 99, "0a", "0b", [column]
    )
    found = msgspec.json.decode(msgspec.json.encode(record), type=ObjectRecord)
    assert found == record


def test_a_snapshot_that_names_no_command_is_made_by_a_run() -> None:
    fields = msgspec.to_builtins(snapshot())
    del fields["made_by"]
    assert msgspec.convert(fields, SnapshotRecord).made_by == "`just run`"


@pytest.mark.parametrize(
    ("name", "stage", "state", "is_guest", "is_left_behind"),
    [
        ("a", "one", "kept", False, True),
        ("a", "one", "fresh", False, False),
        (QUARANTINE, "", "kept", False, True),
        ("predictions", "", "kept", True, False),
        ("predictions", "", "computed", True, False),
    ],
)
def test_a_guest_is_never_left_behind_and_what_is_kept_else_is(
    name: str, stage: str, state: State, is_guest: bool, is_left_behind: bool
) -> None:
    record = snapshot(name, stage, state)
    assert (record.is_guest, record.is_left_behind) == (is_guest, is_left_behind)
    assert record.object == (name, "f" * 20)
