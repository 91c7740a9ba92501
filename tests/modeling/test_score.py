"""A file of raw rows is read as a source is, and forecast from by the champion."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline import Project
from pipeline.errors import ModelError, PipelineError, SourceError
from pipeline.modeling.score import score
from tests.conftest import GOLDEN
from tests.modeling.conftest import Load, load_in

VALUES = ["prediction", "lower", "upper"]


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    """The rows of the busiest facility, as text."""
    raw = pl.read_csv(GOLDEN / "raw.csv", infer_schema=False)
    return raw.filter(pl.col("Facility Id") == pl.col("Facility Id").mode().first())


def snapshot(root: Path) -> pl.DataFrame:
    """The published forecast."""
    [path] = (root / ".pipeline" / "objects" / "predictions").glob("*.parquet")
    return pl.read_parquet(path)


@pytest.mark.usefixtures("here")
def test_a_facilitys_file_gets_its_rows_of_the_forecast(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "new.csv"
    spoilt = raw.with_columns(
        pl.when(pl.int_range(pl.len()) == 1)
        .then(pl.lit("many"))
        .otherwise(pl.col("Discharges"))
        .alias("Discharges")
    ).sample(fraction=1, shuffle=True, seed=3)
    spoilt.write_csv(path)
    found = score(load_in(promoted), path)
    assert found.version.number == 1
    [(line, column, value)] = found.bad.select("line", "column", "value").rows()
    assert (column, value) == ("Discharges", "many")
    assert spoilt["Discharges"][line - 2] == "many"
    good = spoilt.filter(pl.col("Discharges") != "many")
    made = found.predictions
    drgs = good["APR DRG Code"].cast(pl.Int32)
    assert made["apr_drg_code"].to_list() == drgs.to_list()
    # The bad row is of an early year, on which nothing depends.
    key = ["facility_id", "apr_drg_code", "year"]
    expected = made.select(key).join(
        snapshot(promoted).select(*key, *VALUES),
        on=key,
        how="left",
        maintain_order="left",
    )
    assert expected["prediction"].count() > 10
    assert_frame_equal(made.select(*key, *VALUES), expected, check_exact=True)


@pytest.mark.usefixtures("here")
def test_a_file_of_any_kind_gets_the_same_forecast(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path
) -> None:
    settings, rows = load_in(promoted), raw.tail(20)
    rows.write_csv(tmp_path / "new.csv")
    rows.write_ndjson(tmp_path / "new.jsonl")
    rows.write_excel(tmp_path / "new.xlsx", autofit=False)
    by_csv, *others = (
        score(settings, tmp_path / f"new.{suffix}").predictions
        for suffix in ("csv", "jsonl", "xlsx")
    )
    assert by_csv["prediction"].count()
    for made in others:
        assert made.equals(by_csv)


@pytest.mark.usefixtures("here")
def test_a_frame_gets_what_its_file_gets(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "new.csv"
    raw.tail(150).write_csv(file)
    typed = pl.read_csv(file)
    project = Project(promoted, profile="ci")
    by_file = score(load_in(promoted), file).predictions
    assert by_file["prediction"].count()
    assert_frame_equal(project.predict(typed.lazy()), by_file)
    none = pl.when(pl.int_range(pl.len()) > 0).then("Mean Cost")
    with caplog.at_level("WARNING"):
        made = project.predict(typed.with_columns(none))
    assert made.height == 149
    assert "left out of the frame: 1 rows that cannot be read" in caplog.text
    assert "  the frame:1: Mean Cost: None" in caplog.text
    with pytest.raises(PipelineError, match=r"^the frame: 1 of \d+ declared"):
        project.predict(typed.drop("Mean Cost"))


@pytest.mark.usefixtures("here")
def test_no_prediction_is_what_a_rare_drg_or_one_without_two_years_gets(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "its.csv"
    raw.write_csv(path)
    made = score(load_in(promoted), path).predictions
    codes = ["Year", "Facility Id", "APR DRG Code"]
    panel = pl.read_csv(GOLDEN / "raw.csv", columns=[*codes, "Discharges"])
    first_year = panel.filter(Year=2009).group_by("APR DRG Code")
    of_first = first_year.agg(pl.col("Discharges").sum())
    common = of_first.filter(pl.col("Discharges") > 555)["APR DRG Code"]
    own = panel.filter(pl.col("Facility Id") == int(raw[0, "Facility Id"]))
    recent = own.filter(pl.col("Year") >= 2016)["APR DRG Code"]
    known = {*common} & {*recent}
    assert {*common} - known
    assert {*recent} - known
    for column in VALUES:
        has_one = made[column].is_not_null().to_list()
        assert has_one == [drg in known for drg in made["apr_drg_code"]]


def test_a_file_that_is_not_there_or_lacks_a_column_is_said(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path
) -> None:
    settings = load_in(promoted)
    with pytest.raises(SourceError, match=r"nowhere\.csv"):
        score(settings, tmp_path / "nowhere.csv")
    path = tmp_path / "less.csv"
    raw.drop("Mean Cost").write_csv(path)
    with pytest.raises(PipelineError, match="Mean Cost"):
        score(settings, path)


def test_too_many_bad_rows_and_none_at_all_are_said(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    raw.head(3).with_columns(pl.lit("many").alias("Discharges")).write_csv(path)
    with pytest.raises(SourceError) as error:
        score(load_in(promoted, "source.max_bad_rows=2"), path)
    assert str(error.value).splitlines() == [
        "3 bad rows, expected at most 2; the first:",
        *(f"  {path}:{n}: Discharges: 'many' unreadable count" for n in (2, 3, 4)),
        "hint: mend the file, or allow more with source.max_bad_rows=N, or a share such"
        " as 0.05",
    ]
    with pytest.raises(SourceError, match="holds no good rows; the first:"):
        score(load_in(promoted), path)
    raw.head(1).clear(2).write_csv(path)
    with pytest.raises(ModelError, match="no good rows to forecast from\nhint: "):
        score(load_in(promoted), path)


@pytest.mark.usefixtures("here")
def test_what_the_bundle_refuses_is_said_as_it_says_it(
    promoted: Path, raw: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "early.parquet"
    typed = {"Year": pl.Int32, "Facility Id": pl.Int32, "APR DRG Code": pl.Int32}
    numbers = {name: pl.Float64 for name in raw.columns if "Mean" in name}
    numbers |= {name: pl.Float64 for name in raw.columns if "Median" in name}
    table = raw.cast({**typed, **numbers, "Discharges": pl.Int64})
    table = table.cast({"APR Severity of Illness Code": pl.Int32})
    table.filter(pl.col("Year") < 2016).write_parquet(path)
    with pytest.raises(ModelError) as error:
        score(load_in(promoted), path)
    assert str(error.value).startswith("bundle: rows end in 2015, expected 2017")


def test_without_a_champion_nothing_is_scored(ml: Load, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no champion yet"):
        score(ml(), tmp_path / "new.csv")
    shutil.rmtree(tmp_path / ".pipeline")  # as in a new clone
    with pytest.raises(ModelError, match="no champion yet"):
        score(ml(), tmp_path / "new.csv")
    assert not (tmp_path / ".pipeline").exists()
