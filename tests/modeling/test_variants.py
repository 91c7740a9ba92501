"""Variants of the features, ranked by what a model errs by."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SnapshotError
from pipeline.modeling.data import published_features
from pipeline.modeling.predictor import load_predictor
from pipeline.modeling.records import all_trainings
from pipeline.modeling.registry.registry import versions
from pipeline.modeling.variants import PRESENT, Ranking, gone_columns, rank_variants
from pipeline.snapshots.store import open_store, read_runs
from pipeline.snapshots.variants import find_variant, read_variants
from pipeline.variants.sweep import make_variants
from pipeline.variants.words import Asked
from tests.modeling.conftest import load_in

pytestmark = pytest.mark.slow  # each variant is audited and learned from

ASKED = {
    "same": ["rolling_columns.window=2"],
    "longer": ["rolling_columns.window=3"],
    "fewer": ["drop_rare_drgs.min_total=700"],
    "other_target": ["panel.target=w_total_mean_cost"],
}


def rank(root: Path) -> Ranking:
    """Rank by ridge, which is fitted in no time."""
    found = read_variants(open_store(root))
    return rank_variants(
        load_in(root), "ridge", found, lambda variant: load_in(root, *variant.words)
    )


@pytest.fixture(scope="module")
def root(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with variants."""
    root = tmp_path_factory.mktemp("variants") / "project"
    shutil.copytree(prepared, root, symlinks=True)
    source = ("source=csv", "source.path=data/raw.csv")
    asked = [Asked(name, (*source, *words)) for name, words in ASKED.items()]
    assert not make_variants(load_in(root).pipeline, asked).failed
    return root


@pytest.fixture(scope="module")
def ranking(root: Path) -> Ranking:
    """They are ranked."""
    return rank(root)


def test_a_variant_is_judged_by_its_own_model_on_the_validation_rows(
    root: Path, ranking: Ranking
) -> None:
    store, modeling = open_store(root), load_in(root).modeling
    longer = find_variant(store, "longer").run
    names = {"published": read_runs(store)[-1], "longer": longer}
    learned = {n: published_features(load_in(root), run) for n, run in names.items()}
    trained = {t.features: (folder, t) for folder, t in all_trainings(root)}
    errors: dict[str, pl.DataFrame] = {}
    for name, features in learned.items():
        folder, record = trained[features.fingerprint]
        assert record.spans["valid"] == [ranking.judged, ranking.judged]
        rows = pl.read_parquet(features.path).filter(year=int(ranking.judged))
        made = load_predictor(folder / "predictor").predict(rows)["prediction"]
        error = (made - rows[modeling.target]).abs().alias(name)
        errors[name] = rows.select(modeling.key).with_columns(error)
    shared = errors["published"].join(errors["longer"], on=modeling.key)
    value = dict(ranking.table.select("variant", "value").iter_rows())
    assert value["longer"] == pytest.approx(shared["longer"].mean())
    assert value[PRESENT] == pytest.approx(errors["published"]["published"].mean())


def test_the_difference_is_to_the_published_features_on_the_same_rows(
    ranking: Ranking,
) -> None:
    rows = {row["variant"]: row for row in ranking.table.iter_rows(named=True)}
    assert {*rows} == {PRESENT, "same", "longer", "fewer"}
    present, longer, fewer = (rows[name] for name in (PRESENT, "longer", "fewer"))
    assert rows["same"]["difference"] == rows["same"]["lower"] == 0
    assert longer["n_rows"] == present["n_rows"]
    assert longer["difference"] == pytest.approx(longer["value"] - present["value"])
    assert longer["lower"] < longer["difference"] < longer["upper"]
    assert fewer["n_rows"] < present["n_rows"]
    assert [*ranking.table["difference"]] == sorted(ranking.table["difference"])


def test_another_question_is_left_out_and_said(ranking: Ranking) -> None:
    assert [*ranking.left_out] == ["other_target"]
    assert "another target" in str(ranking.left_out["other_target"])


def test_nothing_is_published_or_registered_and_models_are_kept(
    root: Path, ranking: Ranking
) -> None:
    store, settings = open_store(root), load_in(root)
    assert len(read_runs(store)) == 1
    assert versions(root, settings.modeling.name) == []
    there = {t.created_at for _, t in all_trainings(root)}
    again = rank(root)
    assert again.table.equals(ranking.table)
    assert {t.created_at for _, t in all_trainings(root)} == there


def test_columns_that_have_another_name_are_found_by_what_makes_them(
    root: Path,
) -> None:
    store, settings = open_store(root), load_in(root)
    gone = gone_columns(
        settings, read_runs(store)[-1], find_variant(store, "longer").run
    )
    assert gone == {"w_total_median_profit_rolling2": "w_total_median_profit_rolling3"}


def test_without_variants_there_is_nothing_to_judge(root: Path) -> None:
    with pytest.raises(SnapshotError, match="there are no variants"):
        rank_variants(load_in(root), "ridge", [], lambda _: load_in(root))
