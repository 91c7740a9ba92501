"""Sources in a store that speaks S3."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.plan.settings import load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.store import open_store
from tests.engine.conftest import copy_small
from tests.engine.s3 import s3_store

BUCKET = "claims"
REMOTE = ("source=parquet", "source.path=s3://claims/raw/*.parquet")


@pytest.fixture(scope="module")
def s3() -> Generator[Any]:
    with s3_store(BUCKET) as client:
        yield client


@pytest.fixture
def project(tmp_path: Path, s3: Any) -> Path:
    """A project whose two files are in the store, too, as Parquet."""
    copy_small(tmp_path)
    for name in ("a", "b"):
        pl.read_csv(tmp_path / f"data/{name}.csv", infer_schema=False).write_parquet(
            tmp_path / f"data/{name}.parquet"
        )
        s3.upload_file(tmp_path / f"data/{name}.parquet", BUCKET, f"raw/{name}.parquet")
    # None of these is named by the pattern.
    for name in ("raw/notes.txt", "raw/old/c.parquet"):
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"something else")
    return tmp_path


def go(root: Path, *words: str) -> RunReport:
    words = (*words, "drop_rare_drgs.min_total=20")
    return run(load_settings(root, overrides=words))


def test_rows_of_a_store_give_what_those_of_files_give(project: Path) -> None:
    local = go(project, "source=parquet", "source.path=data/*.parquet")
    whole = go(project, *REMOTE)
    parts = go(project, *REMOTE, "engine.partitions=3", "lag_columns.periods=2")
    again = go(project, *REMOTE, "lag_columns.periods=2")
    hashes = {name: o.content_hash for name, o in local.objects.items()}
    assert {n: o.content_hash for n, o in whole.objects.items()} == hashes
    assert parts.objects["discharges"].content_hash == hashes["discharges"]
    assert whole.is_new
    assert parts.is_new
    assert not again.is_new
    names = [file.stat.path for file in whole.files]
    assert names == ["s3://claims/raw/a.parquet", "s3://claims/raw/b.parquet"]


def test_another_content_of_the_same_length_is_stale(project: Path, s3: Any) -> None:
    go(project, *REMOTE)
    file = project / "data" / "a.parquet"
    body = bytearray(file.read_bytes())
    at = body.index(b"created_by") if b"created_by" in body else body.index(b"Polars")
    body[at : at + 1] = b"p"
    s3.put_object(Bucket=BUCKET, Key="raw/a.parquet", Body=bytes(body))
    assert go(project, *REMOTE).is_new


def test_one_file_is_named_without_a_pattern(project: Path) -> None:
    report = go(project, "source=parquet", "source.path=s3://claims/raw/a.parquet")
    assert [file.stat.path for file in report.files] == ["s3://claims/raw/a.parquet"]


def test_names_are_those_of_the_store_whatever_is_in_them(
    project: Path, s3: Any
) -> None:
    names = ["a b.parquet", "a#1.parquet", "a%20b.parquet", "é.parquet"]
    df = pl.read_parquet(project / "data" / "a.parquet")
    for i, name in enumerate(names):
        df.slice(i * 100, 100).write_parquet(project / name)
        s3.upload_file(project / name, BUCKET, f"odd/{name}")
    words = ("source.path=s3://claims/odd/*.parquet", "panel.missing_periods=any")
    report = go(project, "source=parquet", *words)
    assert [file.stat.path for file in report.files] == sorted(
        f"s3://claims/odd/{name}" for name in names
    )
    counts = {stage.name: stage.n_rows for stage in report.run.stages}
    assert counts["sanitize_column_names"] == 400


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("s3://claims/raw/c.parquet", "parquet", "no such file; did you mean"),
        ("s3://claims/*/a.csv", "parquet", "matches no file"),
        ("s3://claims/raw/*.csv", "parquet", "found in s3://claims/raw: a.parquet, "),
        ("s3://claims/raw", "parquet", "no such file"),
        ("s3://nowhere/*.parquet", "parquet", "there is no bucket 'nowhere'"),
        ("s3://*.parquet", "parquet", "names no bucket"),
        ("s3://claims/raw/notes.txt", "parquet", "cannot be read as Parquet"),
        ("s3://claims/raw/a.csv", "csv", "expected a path on this machine"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(
    project: Path, path: str, kind: str, words: str
) -> None:
    with pytest.raises(PipelineError) as refused:
        go(project, f"source={kind}", f"source.path={path}")
    assert path in str(refused.value)
    assert words in str(refused.value)


def test_rows_set_aside_name_the_file_in_the_store(project: Path, s3: Any) -> None:
    file = project / "data" / "a.parquet"
    spoilt = pl.read_parquet(file)
    spoilt[4, "Mean Cost"] = "much"
    spoilt.write_parquet(file)
    s3.upload_file(file, BUCKET, "raw/a.parquet")
    report = go(project, *REMOTE)
    assert report.run.n_bad_rows == 1
    fingerprint = next(
        s.fingerprint for s in report.run.snapshots if s.name == "quarantine"
    )
    found = pl.read_parquet(open_store(project).object("quarantine", fingerprint))
    where = found.select("source", "file", "line", "column").row(0)
    assert where == ("source", "s3://claims/raw/a.parquet", 5, "Mean Cost")
