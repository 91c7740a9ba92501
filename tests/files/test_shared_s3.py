"""A store that clones share, in a bucket: what differs from a folder."""

import json
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.errors import SnapshotError
from pipeline.files.shared import Shared
from pipeline.log import LOG
from pipeline.plan.settings import load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.shared import pull_run
from pipeline.snapshots.store import open_store
from tests.conftest import LEAN, make_project
from tests.engine.s3 import boto3, s3_store

BUCKET = "team"
WORDS = ("source=csv", "source.path=data/raw.csv", "store.push=true")


def opened(shared: str) -> Shared:
    return Shared(shared, LOG.warning)


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


@pytest.mark.slow
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
    there = opened(f"s3://{BUCKET}/b")
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


@pytest.mark.slow
@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_gone_keeps_nobody_from_work(
    clones: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert states(run_in(clones[0], "s3://gone/store")) == {"computed"}
    [said] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "NO_SUCH_BUCKET" in said
    assert "`just push` tries again" in said
    with pytest.raises(SnapshotError, match="there is no store yet"):
        pull_run(open_store(clones[0]), opened("s3://gone/store"), None, 10)


@contextmanager
def reader() -> Generator[None]:
    """Work as someone who may get what has a known name, and nothing else."""
    iam = boto3.client("iam", region_name="us-east-1")
    iam.create_user(UserName="reader")
    allowed = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    iam.put_user_policy(
        UserName="reader",
        PolicyName="reads",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    checks = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        requests.post(checks, data="0", timeout=10)
        try:
            yield
        finally:
            requests.post(checks, data="inf", timeout=10)


@pytest.mark.usefixtures("s3")
def test_who_may_only_get_what_has_a_known_name_reads_all_the_same(
    tmp_path: Path,
) -> None:
    remote = f"s3://{BUCKET}/d"
    file = tmp_path / "file"
    file.write_bytes(b"some bytes")
    opened(remote).push("a/b", {"x": file}, b"{}")
    with reader():
        there = opened(remote)
        entry = there.entry("a/b")
        assert entry is not None
        assert there.entry("a/c") is None
        assert there.is_whole(entry)
        assert there.fetch(entry, tmp_path / "back") == ""
        assert (tmp_path / "back" / "x").read_bytes() == b"some bytes"
        with pytest.raises(SnapshotError, match="cannot be listed"):
            there.entries("a")
        with pytest.raises(SnapshotError, match=r"may not be read \(access denied\)"):
            opened("s3://another/store").require()
        with pytest.raises(SnapshotError, match="cannot be written") as error:
            there.push("a/c", {"x": file}, b"{}")
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(error.value)


@pytest.mark.slow
def test_a_store_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        there = opened("s3://team/store")
        started = time.monotonic()
        assert there.entry("a") is None
        assert there.entry("b") is None
        assert time.monotonic() - started < 30
    [said] = caplog.messages
    assert "cannot be reached, so all is done here" in said
    assert not [*tmp_path.iterdir()]
