"""What is packed forecasts as the pipeline does, anywhere and from part of the rows."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from mlflow.pyfunc import load_model
from polars.testing import assert_frame_equal

from pipeline.config import BaseConfig
from pipeline.contracts.contract import Contract, Range, Rows
from pipeline.errors import ModelError
from pipeline.modeling.bundle.bundle import Bundle, stages_of
from pipeline.modeling.bundle.request import hold, typed
from pipeline.modeling.data import read_rows
from pipeline.modeling.horizon import Horizon
from pipeline.modeling.registry.pack import pack, without_places
from pipeline.modeling.registry.registry import REQUIREMENTS
from pipeline.modeling.settings import load_modeling
from pipeline.modeling.tracking.tracking import store_uri
from pipeline.modeling.train import train
from pipeline.plan.settings import Stage
from pipeline.snapshots.records import PREDICTIONS
from pipeline.snapshots.store import open_store, read_runs
from pipeline.transforms import load_transform
from tests.conftest import PROJECT, ROOT
from tests.modeling.conftest import LENIENT, champion_folder, load_in

CLEAN = """
import json, sys
import mlflow, pandas, polars
store, rows, made, other = sys.argv[1:]
mlflow.set_tracking_uri(store)
model = mlflow.pyfunc.load_model("models:/inpatient_profit_ci@champion")
polars.from_pandas(model.predict(polars.read_parquet(rows).to_pandas())).write_parquet(
    made
)
import pipeline
modules = sorted({name.partition(".")[0] for name in sys.modules})
try:
    mlflow.pyfunc.load_model(other)
    refused = ""
except Exception as error:
    refused = str(error)
print(json.dumps([pipeline.__file__, modules, refused]))
"""

VALUES = ["prediction", "lower", "upper"]
KEY = (
    *("year", "facility_id", "apr_drg_code"),
    *("apr_severity_of_illness_code", "apr_medical_surgical_code"),
)


class Packed(NamedTuple):
    """A bundle, and the raw rows it was packed with."""

    bundle: Bundle
    rows: pl.DataFrame


@pytest.fixture(scope="module")
def packed(promoted: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    settings = load_in(promoted, *LENIENT)
    folder = tmp_path_factory.mktemp("packed") / "bundle"
    bundle = pack(settings, train(settings, "ridge").record, folder)
    rows = read_rows(settings.pipeline).select(list(bundle.record.columns))
    return Packed(bundle, rows)


@pytest.fixture(scope="module")
def whole(packed: Packed) -> pl.DataFrame:
    """What the bundle makes of all rows."""
    return packed.bundle.forecast(packed.rows)


def published(root: Path, name: str) -> pl.DataFrame:
    """Read a published snapshot."""
    store = open_store(root)
    [found] = [s for s in read_runs(store)[-1].snapshots if s.name == name]
    return pl.read_parquet(store.object(name, found.fingerprint))


def test_a_forecast_is_the_pipelines_own_bit_for_bit(
    promoted: Path, packed: Packed, whole: pl.DataFrame
) -> None:
    settings = load_in(promoted, *LENIENT)
    modeling = settings.modeling
    horizon = Horizon(
        panel="discharges",
        features="features",
        time="year",
        entity=modeling.entity,
        target=modeling.target,
        known=[],
        step=1,
    )
    panel = published(promoted, "discharges").lazy()
    rest = horizon.rest(panel, settings.pipeline.stages)
    features = horizon.next_features(panel, rest)
    df = features.sort(modeling.entity).collect()
    own = df.select(modeling.key).hstack(packed.bundle.predictor.predict(df))
    assert own.height > 200
    assert own["year"].unique().to_list() == [2018]
    assert_frame_equal(
        whole.drop_nulls().unique(modeling.key).sort(modeling.key),
        own,
        check_exact=True,
    )
    columns = [*modeling.key, *VALUES]
    snapshot = published(promoted, PREDICTIONS)
    assert_frame_equal(snapshot.select(columns), own, check_exact=True)


def model_of_other_code(promoted: Path, folder: Path) -> Path:
    """Copy the champion, and change a module of the code that is packed in it."""
    other = folder / "other"
    shutil.copytree(champion_folder(promoted), other)
    with (other / "code" / "pipeline" / "panel.py").open("a") as module:
        module.write("OTHER = 1\n")
    return other


def test_code_that_is_not_the_packed_one_is_refused(
    promoted: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"\nhint: load each version .* its own$"):
        load_model(str(model_of_other_code(promoted, tmp_path)))
    # That of this repository is equal to the champion's.
    assert load_model(str(champion_folder(promoted)))


@pytest.mark.slow
def test_a_clean_process_uses_the_code_and_the_libraries_of_the_bundle(
    promoted: Path, packed: Packed, whole: pl.DataFrame, tmp_path: Path
) -> None:
    given, made, here = (tmp_path / name for name in ("in.parquet", "out.parquet", "e"))
    here.mkdir()
    packed.rows.write_parquet(given)
    other = model_of_other_code(promoted, tmp_path)
    # MLflow hands its stores on in variables.
    own = ("PYTHON", "MLFLOW")
    env = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    words = [store_uri(promoted), str(given), str(made), str(other)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", CLEAN, *words],
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, modules, refused = json.loads(done.stdout)
    assert promoted in Path(file).parents
    assert refused.startswith(f"{other}: cannot be used with the code of another")
    assert f"found: {Path(file).parent}, imported by this process" in refused
    assert_frame_equal(pl.read_parquet(made), whole, check_exact=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {line.partition(">")[0].strip() for line in project["dependencies"]}
    # MLflow itself needs the others.
    used = (ours & set(modules)) - {"click", "requests"}
    assert {"polars", "mlflow"} <= used <= set(REQUIREMENTS)


def test_nothing_in_a_bundle_is_a_pickle_or_names_a_place(promoted: Path) -> None:
    folder = champion_folder(promoted)
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert len(files) > 50
    kinds = {path.suffix for path in files}
    texts = {".py", ".json", ".yaml", ".txt", ".md", ".j2", ".sql", ".typed", ""}
    assert kinds <= {*texts, ".parquet"}
    # Protocol 2 and later of pickle begin so; text and Parquet do not.
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]
    assert str(promoted) not in (folder / "artifacts/bundle/bundle.json").read_text()
    lines = (folder / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in lines} == set(REQUIREMENTS)
    assert all("==" in line for line in lines)


def test_stages_that_a_profile_takes_out_are_in_no_bundle() -> None:
    words = ("stages.drgs=null", "stages.facilities=null", "checks.features=null")
    settings = load_modeling(PROJECT, overrides=words)
    names = [stage.name for stage in settings.pipeline.stages]
    stages, contract = stages_of(without_places(settings), names, "discharges")
    assert [stage.name for stage in stages] == names
    assert contract == settings.pipeline.contracts["discharges"]


def test_rows_come_out_in_the_order_they_went_in(
    packed: Packed, whole: pl.DataFrame
) -> None:
    order = pl.Series(range(packed.rows.height)).shuffle(seed=1)
    assert_frame_equal(
        packed.bundle.forecast(packed.rows[order]), whole[order], check_exact=True
    )


def test_the_rows_of_one_facility_are_completed(
    packed: Packed, whole: pl.DataFrame
) -> None:
    busiest = packed.rows["Facility Id"].mode()[0]
    is_its = packed.rows["Facility Id"] == busiest
    made = packed.bundle.forecast(packed.rows.filter(is_its))
    assert made["prediction"].count() > 10
    assert_frame_equal(made, whole.filter(is_its), check_exact=True)
    only_last = is_its & (packed.rows["Year"] == 2017)
    # Its rows take the place of the context's: other ones, another forecast.
    doubled = packed.rows.filter(only_last).with_columns(pl.col("Mean Charge") * 2)
    assert not packed.bundle.forecast(doubled).equals(whole.filter(only_last))


def test_rows_from_before_the_panel_do_not_become_its_first_year(
    packed: Packed, whole: pl.DataFrame
) -> None:
    busiest = packed.rows["Facility Id"].mode()[0]
    its = packed.rows.filter(pl.col("Facility Id") == busiest)
    early = its.filter(Year=2009).with_columns(pl.lit(2001, pl.Int32).alias("Year"))
    made = packed.bundle.forecast(pl.concat([its, early]))
    assert_frame_equal(
        made.head(its.height),
        whole.filter(packed.rows["Facility Id"] == busiest),
        check_exact=True,
    )


def test_text_is_read_as_in_a_file(packed: Packed, whole: pl.DataFrame) -> None:
    money = [
        name for name, kind in packed.bundle.record.columns.items() if kind == "money"
    ]
    assert money

    def written(name: str) -> pl.Expr:
        cents = (pl.col(name) * 100).round().cast(pl.Int64)
        digits = (cents // 100).cast(pl.String).str.replace(r"(\d)(\d{3})$", "$1,$2")
        rest = (cents % 100).cast(pl.String).str.zfill(2)
        return pl.concat_str(pl.lit("$"), digits, pl.lit("."), rest).alias(name)

    exact = packed.rows.with_columns((pl.col(money) * 100).round() / 100)
    small = exact.filter(
        pl.all_horizontal(pl.col(money) < 1_000_000), pl.col("Year") == 2017
    )
    text = small.with_columns(written(name) for name in money)
    assert text[money[0]].str.contains(r"^\$\d{1,3},\d{3}\.\d{2}$").any()
    texts = text.with_columns(pl.all().cast(pl.String))
    assert_frame_equal(typed(texts, packed.bundle.record.columns), small)


def changed(rows: pl.DataFrame, row: int, column: str, value: Any) -> pl.DataFrame:
    """Put a text into one cell."""
    text = rows.with_columns(pl.col(column).cast(pl.String))
    text[row, column] = value
    return text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda rows: rows.rename({"Mean Cost": "Mean Costs"}),
            "rows: 1 missing columns: Mean Cost; did you mean 'Mean Costs'?\n",
        ),
        (
            lambda rows: changed(rows, 3, "Mean Cost", "many"),
            "rows: 1 bad values; the first:\n  row 3: Mean Cost: unreadable money,"
            " found 'many'",
        ),
        (
            lambda rows: rows.with_columns(pl.lit(None).alias("Discharges")).head(2),
            "rows: 2 bad values; the first:\n  row 0: Discharges: ",
        ),
        (lambda rows: rows.clear(), "bundle: no rows to forecast from"),
        (
            lambda rows: rows.filter(pl.col("Year") < 2016),
            "bundle: rows end in 2015, expected 2017 or later",
        ),
        (
            lambda rows: rows.filter(
                pl.col("Facility Id") == rows[-1, "Facility Id"], Year=2017
            ).with_columns(pl.lit(2018, pl.Int32).alias("Year")),
            "bundle: Year 2018 has rows of 1 values of 'Facility Id', expected the"
            " whole panel",
        ),
        (
            lambda rows: rows.filter(Year=2017).with_columns(
                pl.lit(2020, pl.Int32).alias("Year")
            ),
            "bundle: no rows of Year 2018, 2019: the panel ends in 2017, the rows in"
            " 2020\n",
        ),
        (
            lambda rows: pl.concat([rows, rows[[7]]]),
            "rows: 1 check of 'discharges' failed\n"
            f"  key: expected unique rows by {', '.join(KEY)}, without a null there;"
            " found 1 of 20,630 rows that are not so\n    year 20",
        ),
        (
            lambda rows: changed(rows, 7, "APR Severity of Illness Code", "9"),
            "rows: 1 check of 'discharges' failed\n"
            "  values.apr_severity_of_illness_code: expected"
            " apr_severity_of_illness_code to be one of 0, 1, 2, 3, 4; found 1 of"
            " 20,629 rows that are not so\n    year 20",
        ),
    ],
    ids=[
        *("column", "value", "null", "empty", "early", "part", "gap"),
        *("twice", "contract"),
    ],
)
def test_rows_that_do_not_do_are_one_clear_error(
    packed: Packed, spoil: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    with pytest.raises(ModelError) as error:
        packed.bundle.forecast(spoil(packed.rows))
    assert str(error.value).startswith(message)


def test_of_a_whole_panel_what_breaks_the_contract_is_warned_of(
    packed: Packed, whole: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    made = packed.bundle.forecast(packed.rows, alone=True)
    assert_frame_equal(made, whole, check_exact=True)
    assert caplog.messages == []
    packed.bundle.forecast(pl.concat([packed.rows, packed.rows[[7]]]), alone=True)
    row = packed.rows.row(7, named=True)
    [message] = caplog.messages
    assert message.startswith("rows that break 'discharges':\n  key: expected unique")
    assert f"\n    year {row['Year']}, facility_id {row['Facility Id']}, " in message


def test_what_a_contract_says_of_columns_and_number_of_rows_is_not_held_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contract = Contract(
        columns={"gone": "Int64"},
        required=["gone"],
        rows=Rows(exact=9),
        ranges={"n": Range(max=1)},
        warn=["rows.exact", "required", "ranges"],
    )
    product = load_transform("product")
    stage = Stage("s", product, ("source",), BaseConfig(), "wards", ("id",))
    hold(pl.DataFrame({"id": [2, 1], "n": [1, 3]}), stage, contract, only_warn=False)
    assert caplog.messages == [
        "rows that break 'wards':\n  ranges.n: expected n <= 1; found 1 of 2 rows that"
        " are not so\n    id 1, n 3"
    ]


def test_a_part_of_a_clusters_year_is_warned_of(
    packed: Packed, caplog: pytest.LogCaptureFixture
) -> None:
    last = packed.rows.filter(Year=2017)
    sizes = last["Facility Id"].value_counts(sort=True).head(5).rows()
    largest = [facility for facility, _ in sizes]
    rows = last.filter(pl.col("Facility Id").is_in(largest))
    first = pl.int_range(pl.len()).over("Facility Id")
    share = first < pl.len().over("Facility Id") * 0.81
    packed.bundle.forecast(rows.filter(share))
    assert caplog.messages == []
    packed.bundle.forecast(rows.filter(first < 5))
    shown = "; ".join(
        f"'Facility Id' {facility}: 5 rows of 2017, {n:,} in the bundle's panel"
        for facility, n in sorted(sizes)[:3]
    )
    assert caplog.messages == [
        f"{shown}; and 2 more: a year that is given counts as given whole"
    ]


def test_a_new_year_of_a_part_is_warned_of(
    packed: Packed, caplog: pytest.LogCaptureFixture
) -> None:
    new = packed.rows.filter(Year=2017).with_columns(
        pl.lit(2018, pl.Int32).alias("Year")
    )
    n, n_of = new["Facility Id"].n_unique(), f"{new.height:,}"
    packed.bundle.forecast(packed.rows.filter(pl.col("Facility Id") == 4815))
    packed.bundle.forecast(new)
    assert caplog.messages == []
    third = new.filter(pl.col("Facility Id").rank("dense") % 3 != 0)
    few = new.group_by("Facility Id", maintain_order=True).head(9)
    for part, alone in ((third, False), (few, False), (third, True)):
        rows = pl.concat([packed.rows, part]) if alone else part
        packed.bundle.forecast(rows, alone=alone)
        k = part["Facility Id"].n_unique()
        [message] = caplog.messages
        assert message.startswith(
            f"Year 2018 has rows of {k} values of 'Facility Id', {part.height:,} in"
            " all;"
            f" 2017 had {n} and {n_of}."
        )
        caplog.clear()


def test_a_new_year_of_all_is_forecast_from(packed: Packed) -> None:
    new = packed.rows.filter(Year=2017).with_columns(
        pl.lit(2018, pl.Int32).alias("Year")
    )
    made = packed.bundle.forecast(new)
    assert made["year"].unique().to_list() == [2019]
    together = pl.concat([packed.rows, new])
    alone = packed.bundle.forecast(together, alone=True).tail(new.height)
    assert_frame_equal(made, alone, check_exact=True)


def test_the_context_holds_the_years_that_are_needed_only(packed: Packed) -> None:
    context = pl.read_parquet(packed.bundle.folder / "context.parquet")
    # 2009 tells which categories are rare, the last two the rest.
    assert context["Year"].unique().sort().to_list() == [2009, 2016, 2017]
