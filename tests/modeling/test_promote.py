"""Who becomes champion, who does not and why, and the way back."""

import json
import re
import shutil
from datetime import UTC, datetime
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.forecast import forecast
from pipeline.modeling.promote import (
    Promotion,
    faults_in_all,
    promote,
    promote_first,
    slices_that_lose,
)
from pipeline.modeling.registry.registry import (
    CHALLENGER,
    CHAMPION,
    Decision,
    aliases,
    champion,
    decide,
    roll_back,
    versions,
)
from pipeline.modeling.score import score
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.tracking.tracking import tracking
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.commands.test_cli import SOURCE, invoke
from tests.modeling.conftest import (
    LENIENT,
    Load,
    champion_folder,
    draw_nothing,
    forecast_here,
    hold_all,
    load_in,
    register_as_it_is,
)
from tests.modeling.shops import shops, with_store_of

WEAK = """
kind: ridge
target: {kind: none}
params: {alpha: 1000000000}
"""


class Story(NamedTuple):
    """Promotions one after the other, and who was what after each."""

    root: Path
    promotions: list[Promotion]
    named: list[dict[str, int]]


def names(settings: ModelingSettings) -> dict[str, int]:
    """Say who is champion and who challenger."""
    return aliases(settings.root, settings.modeling.name)


@pytest.fixture(scope="module")
def story(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("story")
    shutil.copytree(prepared, root, dirs_exist_ok=True)
    (root / "configs" / "models" / "weak.yaml").write_text(WEAK)
    told = Story(root, [], [])
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        forecast_here(patch)
        hold_all(patch)
        for model, baseline in (
            ("weak", "last_value"),
            ("last_value", "weak"),
            ("weak", "last_value"),
            ("ridge", "weak"),
            ("ridge", "weak"),
        ):
            settings = load_in(root, *LENIENT, f"modeling.baselines=[{baseline}]")
            told.promotions.append(promote(settings, model))
            told.named.append(names(settings))
    return told


def test_a_model_that_beats_nothing_is_challenger(story: Story) -> None:
    first = story.promotions[0]
    assert not first.is_champion
    assert first.before is None
    assert re.match(
        r"MAE \$[\d.]+k is not below that of last_value, \$[\d.]+k, beyond chance: the"
        r" difference is \+\$[\d.]+k, with an upper bound of \+\$[\d.]+k$",
        first.reasons[0],
    )
    assert story.named[0] == {CHALLENGER: 1}


def test_the_first_that_beats_its_baselines_is_champion(story: Story) -> None:
    assert story.promotions[1].is_champion
    assert story.named[1] == {CHALLENGER: 1, CHAMPION: 2}


def test_a_worse_one_does_not_replace_it(story: Story) -> None:
    again = story.promotions[2]
    assert again.version.number == 1
    assert again.before is not None
    assert again.before.number == 2
    assert any("not below that of champion (version 2)" in r for r in again.reasons)
    assert story.named[2] == {CHALLENGER: 1, CHAMPION: 2}


def test_a_better_one_does(story: Story) -> None:
    better = story.promotions[3]
    assert better.is_champion
    references = better.comparison["reference"].unique().sort().to_list()
    assert references == ["champion (version 2)", "weak"]
    assert story.named[3] == {CHALLENGER: 1, CHAMPION: 3}


def test_what_was_decided_is_kept_with_the_reasons(story: Story) -> None:
    with connect(open_store(story.root)) as con:
        told = con.execute(
            "select version, against, is_champion, reasons from meta.promotions"
            " order by version"
        ).fetchall()
    again = story.promotions[2]
    assert told == [(1, 2, False, again.reasons), (2, None, True, []), (3, 2, True, [])]


def test_what_was_eased_is_kept_with_the_decision(story: Story) -> None:
    assert story.promotions[0].notes == [
        "baselines is ['last_value'], by the command line",
        "promotion.max_bias is 0.99, by the command line",
        "promotion.max_coverage_gap is 0.5, by the command line",
        "promotion.max_slice_loss is 0.99, by the command line",
    ]
    of_version_2 = "baselines is ['last_value'], of version 2 it was ['weak']"
    assert of_version_2 in story.promotions[2].notes
    with connect(open_store(story.root)) as con:
        told = con.execute(
            "select terms->>'$.\"promotion.max_bias\"', notes from meta.promotions"
            " order by version"
        ).fetchall()
    assert told[2] == ("0.99", story.promotions[3].notes)


def test_a_leak_that_is_let_pass_is_said_with_the_model(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = shops(tmp_path, range(2010, 2016))
    # What the bundle's example has drifted by is no word of promotion's.
    rows = pl.read_csv(root / "data.csv")
    dearer = pl.when(pl.col("year") == 2015).then(1e4).otherwise(1.0)
    rows.with_columns(pl.col("sold") * dearer).write_csv(root / "data.csv")
    with_store_of(prepared, root)
    let_pass = ("drop_present.columns=[]", "modeling.leaks=[price, visits]")
    settings = load_modeling(
        root, overrides=(f"source.path={root}/data.csv", *let_pass)
    )
    promotion = promote(settings, "ridge")
    assert "drifted" not in caplog.text
    assert promotion.notes == [
        "price, visits: know their own period, and are let pass by `modeling.leaks`",
        "leaks is ['price', 'visits'], by the command line",
    ]
    with connect(open_store(settings.root)) as con:
        told = con.execute(
            "select on_trust, notes from meta.models join meta.promotions"
            " using (fingerprint)"
        ).fetchall()
    assert told == [(promotion.notes[:1], promotion.notes)]


def test_a_champion_by_hand_is_asked_nothing(story: Story, tmp_path: Path) -> None:
    shutil.copytree(story.root, tmp_path, dirs_exist_ok=True, symlinks=True)
    settings = load_in(tmp_path, *LENIENT)
    with tracking(settings) as store:
        name = settings.modeling.name
        store.client.set_registered_model_alias(name, CHAMPION, "1")
    for ask in (
        lambda: promote(settings, "ridge"),
        lambda: roll_back(settings),
        lambda: forecast(settings),
        lambda: score(settings, tmp_path / "data" / "raw.csv"),
    ):
        with pytest.raises(ModelError, match="champion, but no promotion made it so"):
            ask()


@pytest.mark.usefixtures("here")
def test_a_champion_that_was_refused_since_then_can_be_gone_back_to(
    story: Story, tmp_path: Path
) -> None:
    shutil.copytree(story.root, tmp_path, dirs_exist_ok=True, symlinks=True)
    settings = load_in(tmp_path, *LENIENT, "modeling.baselines=[weak]")
    assert not promote(settings, "last_value").is_champion
    assert roll_back(settings)[1].number == 2
    found = champion(settings)
    assert found is not None
    assert found.number == 2


def test_the_champion_forecasts_as_it_was_judged(story: Story) -> None:
    # From the raw rows before each year come the features that the baseline was given.
    settings = load_in(story.root, *LENIENT, "modeling.baselines=[last_value]")
    as_baseline = evaluate(settings, "ridge").table("comparison")
    columns = ["slice_by", "slice", "reference_value", "n_rows"]
    kept = story.promotions[3].comparison.filter(reference="champion (version 2)")
    assert kept.select(columns).equals(as_baseline.select(columns))


def test_the_same_training_makes_no_second_version(story: Story) -> None:
    assert story.promotions[4].version.number == 3
    assert story.promotions[4].is_champion
    assert story.named[4] == story.named[3]
    settings = load_in(story.root)
    found = versions(settings.root, settings.modeling.name)
    assert sorted(version.number for version in found) == [1, 2, 3]


def test_a_rollback_goes_back_step_by_step(story: Story, tmp_path: Path) -> None:
    shutil.copytree(story.root, tmp_path, dirs_exist_ok=True, symlinks=True)
    settings = load_in(tmp_path)
    found = versions(settings.root, settings.modeling.name)
    by_number = {version.number: version for version in found}
    now = Decision(datetime.now(UTC), against=3, reasons=[])
    decide(settings, by_number[1], now)
    assert names(settings) == {CHAMPION: 1}
    for was, now in ((1, 3), (3, 2)):
        before, after = roll_back(settings)
        assert (before.number, after.number) == (was, now)
        found = champion(settings)
        assert found is not None
        assert found.number == now
    with pytest.raises(ModelError, match="version 2 is the first champion"):
        roll_back(settings)
    assert names(settings) == {CHAMPION: 2}


def trained(root: Path) -> list[Path]:
    """Name what studies and trainings have left."""
    return sorted((root / ".pipeline" / "models").rglob("*"))


@pytest.mark.slow
def test_a_champion_that_answers_another_question_is_asked_nothing(
    copied: Load, tmp_path: Path
) -> None:
    other = copied("panel.target=w_mean_cost")
    there = trained(tmp_path)
    asked = (
        lambda: promote(other, "ridge"),
        lambda: roll_back(other),
        lambda: forecast(other),
        lambda: score(other, tmp_path / "data" / "raw.csv"),
    )
    said = (
        "models:/inpatient_profit_ci/1: answers another question\n"
        "target: found w_total_median_profit, expected w_mean_cost\n"
        "hint: each question has models of its own name: give this one another,"
        " modeling.name=NAME, "
    )
    for ask in asked:
        with pytest.raises(ModelError, match=re.escape(said)):
            ask()
    # Also by the command that does it all; before anything is computed.
    words = ("--profile", "ci", *SOURCE, *LENIENT, "panel.target=w_mean_cost")
    result = invoke(tmp_path, "pipeline", "ridge", *words)
    assert said in result.stderr
    assert trained(tmp_path) == there
    assert names(other) == {CHAMPION: 1}
    # Of its own name it is judged against no other's, and both are shown.
    own = copied("panel.target=w_mean_cost", "modeling.name=cost")
    assert promote(own, "ridge").before is None
    with connect(open_store(tmp_path)) as con:
        shown = con.execute(
            "select name, target, unit, metric from meta.models"
            " where version is not null order by name"
        ).fetchall()
    assert shown == [
        ("cost", "w_mean_cost", "$", "mae"),
        ("inpatient_profit_ci", "w_total_median_profit", "$", "mae"),
    ]
    assert champion(copied()) is not None


@pytest.mark.slow
def test_a_champion_of_another_source_is_not_compared_with(copied: Load) -> None:
    settings = copied("modeling.baselines=[ridge]", "modeling.bootstrap.samples=100")
    place = champion_folder(settings.root) / "artifacts" / "bundle" / "bundle.json"
    original = place.read_text()
    for path, value, reason in (
        # Of discharges: these leave out most DRGs.
        ("tree.drop_rare_drgs.min_total", 5_000, r"[1-9]\d+ of 5\d\d test rows, "),
        ("columns.Income", "count", r"\nrows: 1 missing columns: Income"),
    ):
        *parents, name = path.split(".")
        record = json.loads(original)
        reduce(getitem, parents, record)[name] = value
        place.write_text(json.dumps(record))
        register_as_it_is(settings.root)
        with pytest.raises(ModelError) as error:
            promote(settings, "last_value")
        expected = (
            rf"(?s)models:/inpatient_profit_ci/1: .*{reason}.*modeling\.name=NAME"
        )
        assert re.fullmatch(expected, str(error.value))
    assert names(settings) == {CHAMPION: 1}
    assert len(versions(settings.root, settings.modeling.name)) == 1
    assert not list(settings.root.glob(".pipeline/models/last_value/*/*/champion*"))


def judged(story: Story, *overrides: str) -> tuple[Promotion, pl.DataFrame]:
    """Promote ridge without a champion, against last_value, in a copy."""
    settings = load_in(story.root, *LENIENT, "modeling.name=other", *overrides)
    promotion = promote(settings, "ridge")
    evaluation = evaluate(settings, "ridge")
    return promotion, evaluation.table("evaluation").filter(model="ridge")


@pytest.mark.parametrize(
    ("metric", "value", "interval", "reason"),
    [
        ("coverage", 0.85, (0.84, 0.87), r"intervals hold 85\.0% of the outcomes .*"),
        ("coverage", 0.93, (0.91, 0.95), r"intervals hold 93\.0% of the outcomes .*"),
        ("coverage", 0.85, (0.79, 0.91), None),  # by the clusters that were there
        ("coverage", 0.89, (0.88, 0.895), None),  # within 2 %
        ("coverage", 0.85, (None, None), r".*\(of a single cluster\), expected 90.*"),
        (
            "bias",
            -0.1,
            (-0.12, -0.08),
            r"predictions are 10\.0% too low in sum \(int.*",
        ),
        (
            "bias",
            0.04,
            (0.01, 0.07),
            r"predictions are 4\.0% too high in sum \(inter.*",
        ),
        ("bias", -0.1, (-0.3, 0.02), None),
        ("bias", -0.02, (-0.025, -0.015), None),
    ],
)
def test_what_is_off_beyond_chance_is_a_reason(
    prepared: Path,
    metric: str,
    value: float,
    interval: tuple[float | None, float | None],
    reason: str | None,
) -> None:
    figures: dict[str, tuple[float | None, ...]]
    figures = {"coverage": (0.9, 0.88, 0.92), "bias": (0.0, -0.1, 0.1)}
    figures[metric] = (value, *interval)
    table = pl.DataFrame(
        [("all", name, *row) for name, row in figures.items()],
        schema=["slice_by", "metric", "value", "lower", "upper"],
        orient="row",
    )
    modeling = load_in(prepared).modeling
    found = list(faults_in_all(modeling, table))
    assert len(found) == (reason is not None)
    assert reason is None or re.fullmatch(reason, found[0])


@pytest.mark.slow
def test_a_slice_that_loses_too_much_is_a_reason(story: Story) -> None:
    promotion, figures = judged(story, "modeling.promotion.max_slice_loss=0.01")
    table = promotion.comparison.filter(pl.col("slice_by") != "all")
    losses = {
        f"{row['slice_by']} {row['slice']}": row["value"] / row["reference_value"] - 1
        for row in table.iter_rows(named=True)
        if row["slice_by"] in ("year", "size_decile", "severity")
        and (row["lower"] is None or row["lower"] > 0)
        and row["value"] / row["reference_value"] > 1.01
    }
    assert losses
    named = [reason.partition(":")[0] for reason in promotion.reasons[:3]]
    assert named == sorted(losses, key=lambda name: -losses[name])[:3]
    worst = max(losses.values())
    # So near that whole percents would say that it is within.
    bound = f"{worst - 0.00002:.6f}"
    near, _ = judged(story, f"modeling.promotion.max_slice_loss={bound}")
    [reason] = near.reasons
    numbers = re.search(r" ([\d.]+)% above .*, expected at most ([\d.]+)%$", reason)
    assert numbers is not None
    above, most = map(float, numbers.groups())
    assert most == pytest.approx(100 * float(bound))
    assert above > most
    slices = {
        (by, at): value
        for by, at, value in figures.filter(metric="mae")
        .select("slice_by", "slice", "value")
        .iter_rows()
    }
    for row in table.iter_rows(named=True):
        assert row["value"] == pytest.approx(slices[row["slice_by"], row["slice"]])


@pytest.mark.parametrize(
    ("slices", "losing"),
    [
        ([("year", "2016", 2.0, 0.5), ("year", "2017", 1.5, 0.1)], ["2016", "2017"]),
        ([("year", "2016", 1.05, 0.01)], []),  # within a tenth
        ([("size_decile", "1", 2.0, -0.1)], []),  # by the clusters that were there
        ([("size_decile", "1", 2.0, None)], ["1"]),  # of a single cluster
        ([("apr_drg_code", "194", 2.0, 0.5)], []),  # is shown, and no gate
        ([("year", str(year), 2.0, 0.5) for year in range(2000, 2012)], []),
    ],
)
def test_a_slice_loses_beyond_chance_and_a_period_where_they_are_few(
    prepared: Path,
    slices: list[tuple[str, str, float, float | None]],
    losing: list[str],
) -> None:
    rows = [(*slice_, 1.0) for slice_ in slices]
    schema = {
        "slice_by": pl.String,
        "slice": pl.String,
        "value": pl.Float64,
        "lower": pl.Float64,
        "reference_value": pl.Float64,
    }
    table = pl.DataFrame(rows, schema=schema, orient="row")
    modeling = load_in(prepared, "modeling.promotion.max_slice_loss=0.1").modeling
    assert slices_that_lose(modeling, table)["slice"].to_list() == losing


@pytest.mark.parametrize(
    ("window", "losing"), [("2016", ["year"]), ("2016 to 2017", ["year", "window"])]
)
def test_a_window_of_one_period_loses_once(
    prepared: Path, window: str, losing: list[str]
) -> None:
    worse = {"value": [2.0, 1.5], "lower": [0.5, 0.1], "reference_value": [1.0, 1.0]}
    years = pl.DataFrame({"slice_by": "year", "slice": ["2016", "2017"], **worse})
    windows = [window] if "to" in window else ["2016", "2017"]
    of_windows = years.head(len(windows)).with_columns(
        slice_by=pl.lit("window"), slice=pl.Series(windows)
    )
    words = ("modeling.promotion.max_slice_loss=0.6", "modeling.backtest.windows=2")
    modeling = load_in(prepared, *words).modeling
    found = slices_that_lose(modeling, pl.concat([years, of_windows]))
    assert found["slice_by"].to_list() == losing


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_the_best_baseline_is_crowned_where_no_model_deserves_it(story: Story) -> None:
    baselines = "modeling.baselines=[last_value, rolling_mean]"
    settings = load_in(story.root, *LENIENT, baselines, "modeling.name=simple")
    weak, baseline = promote_first(settings, "weak")
    assert not weak.is_champion
    errors = {
        row["reference"]: row["reference_value"]
        for row in weak.comparison.filter(slice_by="all").iter_rows(named=True)
    }
    best = min(errors, key=lambda name: errors[name])
    trained = evaluate(settings, best).training.record.fingerprint
    assert baseline.is_champion
    assert baseline.version.fingerprint == trained
    other = max(errors, key=lambda name: errors[name])
    assert "is above that of" in promote(settings, other).reasons[0]
    [again] = promote_first(settings, "weak")
    assert not again.is_champion
