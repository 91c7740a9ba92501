"""A folder is answered as one file with all of its rows would be."""

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import ConfigError, PipelineError, SourceError
from pipeline.modeling.score import score
from pipeline.modeling.score_files import deliver, refuse_place, score_files
from tests.conftest import GOLDEN
from tests.modeling.conftest import load_in

pytestmark = pytest.mark.usefixtures("here")

ODD = "a 'b' $(id) é=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of five facilities, in files of two kinds; one has a bad cell."""
    raw = pl.read_csv(GOLDEN / "raw.csv", infer_schema=False)
    few = raw["Facility Id"].unique(maintain_order=True)[:5]
    rows = raw.filter(pl.col("Facility Id").is_in(few.implode()))
    rows = rows.sample(fraction=1, shuffle=True, seed=5)
    root = tmp_path_factory.mktemp("rows")
    (root / ODD / "_temporary").mkdir(parents=True)
    (root / ODD / "_temporary" / "half.csv").write_text("half")
    (root / ".hidden").write_text("of somebody")
    spoilt = (
        rows[300:]
        .with_row_index()
        .with_columns(
            Discharges=pl.when(index=7).then(pl.lit("many")).otherwise("Discharges")
        )
    )
    rows[:300].write_csv(root / ODD / "<1>.csv")
    spoilt.drop("index").write_parquet(root / "z.parquet")
    spoilt.drop("index").filter(pl.col("Discharges") != "many").vstack(
        rows[:300]
    ).write_csv(root.with_name(f"{root.name}.csv"))
    return root


def test_files_get_what_one_file_of_all_rows_gets(
    promoted: Path, folder: Path, tmp_path: Path
) -> None:
    settings = load_in(promoted)
    whole = score(settings, folder.with_name(f"{folder.name}.csv")).predictions
    out = tmp_path / "out"
    with score_files(settings, str(folder)) as scored:
        deliver(scored, str(out), None)
        rows = scored.predictions().collect()
    assert [file.name for file in scored.files] == [f"{ODD}/<1>.csv", "z.parquet"]
    written = pl.read_csv(out / ODD / "<1>.csv", schema=whole.schema)
    of_parquet = pl.read_parquet(out / "z.parquet")
    assert_frame_equal(of_parquet.vstack(written), whole, check_exact=True)
    assert whole["prediction"].count() > 50
    assert_frame_equal(rows.drop("file", "row"), written.vstack(of_parquet))
    assert rows.filter(file="z.parquet")["row"].to_list() == [
        *range(1, of_parquet.height + 1)
    ]
    left_out = pl.read_csv(out / "_left_out.csv").row(0, named=True)
    assert left_out["file"].endswith("z.parquet")
    assert (left_out["line"], left_out["column"]) == (8, "Discharges")
    note = json.loads((out / "_SUCCESS").read_text())
    assert note["version"] == 1
    assert [of["n_left_out"] for of in note["of"]] == [0, 1]


def test_a_file_with_other_columns_is_named(
    promoted: Path, folder: Path, tmp_path: Path
) -> None:
    settings = load_in(promoted)
    pl.read_parquet(folder / "z.parquet").write_csv(tmp_path / "good.csv")
    pl.read_parquet(folder / "z.parquet").drop("Mean Cost").write_csv(
        tmp_path / "less.csv"
    )
    with (
        pytest.raises(PipelineError, match=r"less\.csv: 1 of \d+ declared columns"),
        score_files(settings, str(tmp_path)),
    ):
        pass
    (tmp_path / "bytes.csv").write_bytes(b"\0")
    with (
        pytest.raises(SourceError) as told,
        score_files(settings, str(tmp_path)),
    ):
        pass
    fault, *files, hint = str(told.value).splitlines()
    assert fault == f"{tmp_path}: 2 files cannot be read"
    assert [line.partition(": ")[0] for line in files] == [
        f"  {tmp_path / name}.csv" for name in ("bytes", "less")
    ]
    assert hint.startswith("hint: ")
    (tmp_path / "bytes.csv").unlink()
    (tmp_path / "less.csv").rename(tmp_path / "notes.md")
    with (
        pytest.raises(SourceError, match=r"no data, by their names: notes\.md"),
        score_files(settings, str(tmp_path)),
    ):
        pass


def test_where_nothing_can_be_read_or_written_is_said(tmp_path: Path) -> None:
    for output, snapshot, words in (
        (None, None, "nowhere to write"),
        (str(tmp_path), None, "within what is scored"),
        (str(tmp_path / "out"), None, "within what is scored"),
    ):
        with pytest.raises(ConfigError, match=words):
            refuse_place(str(tmp_path), output, snapshot, None)
    with pytest.raises(ConfigError, match="within what is scored"):
        refuse_place("s3://b/rows", "s3://b/rows/out", None, None)
    refuse_place("s3://b/rows", "s3://b/rows-scored", None, None)
