"""A store that clones share, in a bucket: what differs from a folder."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SnapshotError
from pipeline.plan.settings import load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.shared import pull_run, require_shared
from pipeline.snapshots.store import open_store
from tests.conftest import LEAN, make_project
from tests.engine.s3 import s3_store

BUCKET = "team"
WORDS = ("source=csv", "source.path=data/raw.csv", "store.push=true")


@pytest.fixture(scope="module")
def s3() -> Generator[Any]:
    with s3_store(BUCKET) as client:
        yield client


@pytest.fixture
def clones(tmp_path: Path) -> list[Path]:
    """Two clones of a project."""
    folders = [tmp_path / "one", tmp_path / "other one"]
    for folder in folders:
        folder.mkdir()
        make_project(folder, n_rows=3000, of=LEAN)
    return folders


def run_in(clone: Path, remote: str) -> RunReport:
    words = (*WORDS, f"store.remote={remote}")
    return run(load_settings(clone, overrides=words))


def states(report: RunReport) -> set[str]:
    return {s.state for s in report.run.snapshots}


@pytest.mark.usefixtures("s3")
def test_a_clone_computes_nothing_that_is_in_the_bucket(clones: list[Path]) -> None:
    first, second = (run_in(clone, f"s3://{BUCKET}/a/store") for clone in clones)
    assert states(first) == {"computed"}
    assert states(second) == {"restored"}
    hashes = [
        {n: o.content_hash for n, o in r.objects.items()} for r in (first, second)
    ]
    assert hashes[0] == hashes[1]


@pytest.mark.slow
@pytest.mark.usefixtures("s3")
def test_the_newest_run_is_pulled_from_a_bucket(clones: list[Path]) -> None:
    report = run_in(clones[0], f"s3://{BUCKET}/b")
    there = require_shared(f"s3://{BUCKET}/b")
    pulled, _ = pull_run(open_store(clones[1]), there, None, 10)
    assert pulled.run_id == report.run.run_id
    assert [*there.entries("runs")] == [f"runs/{report.run.run_id}"]


@pytest.mark.slow
def test_an_object_of_the_bucket_that_is_cut_short_is_computed(
    clones: list[Path], s3: Any
) -> None:
    remote = f"s3://{BUCKET}/c"
    run_in(clones[0], remote)
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="c/blobs/")["Contents"]
    largest = max(found, key=lambda each: each["Size"])["Key"]
    body = s3.get_object(Bucket=BUCKET, Key=largest)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=largest, Body=body[:-1])
    assert states(run_in(clones[1], remote)) == {"computed", "restored"}
    assert s3.get_object(Bucket=BUCKET, Key=largest)["Body"].read() == body


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_gone_keeps_nobody_from_work(
    clones: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert states(run_in(clones[0], "s3://gone/store")) == {"computed"}
    assert "`just push` tries again" in caplog.text
    assert "NO_SUCH_BUCKET" in caplog.text
    with pytest.raises(SnapshotError, match="no store that can be read"):
        pull_run(open_store(clones[0]), require_shared("s3://gone/store"), None, 10)
