"""A prefix in a store that speaks S3 is scored into another one."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.files.delivery import delivery
from pipeline.modeling.score import score
from pipeline.modeling.score_files import deliver, score_files
from tests.conftest import GOLDEN
from tests.engine.s3 import s3_store
from tests.modeling.conftest import load_in

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("here")]

BUCKET = "wards"


@pytest.fixture(scope="module")
def s3() -> Generator[Any]:
    with s3_store(BUCKET) as client:
        yield client


def keys(s3: Any, prefix: str) -> set[str]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {entry["Key"] for entry in found if not entry["Key"].endswith("/")}


def test_a_prefix_is_scored_into_another(
    promoted: Path, tmp_path: Path, s3: Any
) -> None:
    raw = pl.read_csv(GOLDEN / "raw.csv", infer_schema=False).tail(400)
    raw.write_parquet(tmp_path / "all.parquet")
    raw[:150].write_parquet(tmp_path / "part")
    s3.upload_file(tmp_path / "part", BUCKET, "raw/y=1/a [1] é.parquet")
    raw[150:].write_csv(tmp_path / "part")
    s3.upload_file(tmp_path / "part", BUCKET, "raw/z.csv")
    s3.put_object(Bucket=BUCKET, Key="raw/_SUCCESS", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="raw-other/x.parquet", Body=b"of others")
    settings = load_in(promoted)
    with score_files(settings, f"s3://{BUCKET}/raw/") as scored:
        deliver(scored, f"s3://{BUCKET}/out", "csv")
        deliver(scored, f"s3://{BUCKET}/out", "parquet")  # in its place
    assert keys(s3, "out/") == {
        "out/_SUCCESS",
        "out/y=1/a [1] é.parquet",
        "out/z.csv.parquet",
    }
    made: list[pl.DataFrame] = []
    for name in ("y=1/a [1] é.parquet", "z.csv.parquet"):
        s3.download_file(BUCKET, f"out/{name}", tmp_path / "made")
        made.append(pl.read_parquet(tmp_path / "made"))
    assert pl.concat(made).equals(score(settings, tmp_path / "all.parquet").predictions)
    note = s3.get_object(Bucket=BUCKET, Key="out/_SUCCESS")["Body"].read()
    assert [of["n_rows"] for of in json.loads(note)["of"]] == [150, 250]


def test_what_is_wrong_with_an_address_is_said(promoted: Path, s3: Any) -> None:
    settings = load_in(promoted)
    s3.put_object(Bucket=BUCKET, Key="text/a.csv", Body=b"a,b\n1,2\n")
    for place, words in (
        ("s3://nowhere/rows", "cannot be read|no files"),
        (f"s3://{BUCKET}/nothing", "no files"),
        (f"s3://{BUCKET}/text", f"^s3://{BUCKET}/text/a.csv: .* columns are missing"),
        (f"s3://{BUCKET}/raw-other/x.parquet", "cannot be read as Parquet"),
    ):
        with pytest.raises(PipelineError, match=words), score_files(settings, place):
            pass
    with (
        pytest.raises(PipelineError, match="s3://nowhere/out: cannot be written"),
        delivery("s3://nowhere/out") as out,
    ):
        out.begin(["a.csv"])
