from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.commands.variant_cli import load_with_models
from pipeline.errors import ConfigError, SnapshotError
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.store import Store, open_store, read_runs
from pipeline.snapshots.variants import Variant, write_variant
from pipeline.variants.adopt import adopt
from pipeline.variants.sweep import files_of, make_variant
from tests.variants.conftest import MODELING, add_model


def yaml_of(root: Path) -> str:
    return (root / "configs" / "pipeline.yaml").read_text()


def record(store: Store, *words: str, profile: str | None = None) -> None:
    """Keep a variant of a name, as if it had been made."""
    of = replace(read_runs(store)[-1], profile=profile)
    yaml = files_of(load_settings(store.root))
    write_variant(store, Variant("mine", [*words], yaml, of))


def test_its_values_stand_in_the_yaml_and_a_run_finds_all_restorable(
    swept: Path,
) -> None:
    before = yaml_of(swept)
    changes = adopt(open_store(swept), "periods_2_min_total_40")
    assert yaml_of(swept) == before.replace("min_total: 20", "min_total: 40").replace(
        "lag_columns: {keys: '${panel.key}', columns: [mean_cost, mean_charge]}",
        "lag_columns: {keys: '${panel.key}', columns: [mean_cost, mean_charge],"
        " periods: 2}",
    )
    lines = changes.splitlines()
    assert lines[:2] == ["--- a/configs/pipeline.yaml", "+++ b/configs/pipeline.yaml"]
    assert len([line for line in lines if line.startswith("+")]) == 3
    states = {s.name: s.state for s in run(load_settings(swept)).run.snapshots}
    assert states["features"] == states["discharges"] == "restored"
    assert "computed" not in states.values()

    assert adopt(open_store(swept), "periods_2_min_total_40") == ""
    with pytest.raises(ConfigError, match="other values in configs/pipeline"):
        adopt(open_store(swept), "periods_1_min_total_40")


def test_a_comment_is_no_change_and_stays(swept: Path) -> None:
    file = swept / "configs" / "pipeline.yaml"
    file.write_text(yaml_of(swept).replace("min_total: 20}", "min_total: 20} # few"))
    assert adopt(open_store(swept), "periods_1_min_total_40")
    assert "min_total: 40} # few\n" in yaml_of(swept)


@pytest.mark.parametrize(
    ("words", "file", "line"),
    [
        (["source.decimal=,"], "pipeline.yaml", 'path: data/raw.csv, decimal: ","}'),
        (["source=parquet"], "pipeline.yaml", "source: {use: parquet, path"),
        (["checks.drgs.finite=true"], "checks/drgs.yaml", "finite: true"),
        (["stages.drgs=null", "checks.drgs=null"], "pipeline.yaml", "  drgs: null"),
        (["lag_columns.by=row"], "transforms/lag_columns.yaml", "by: row # how"),
    ],
)
def test_a_value_is_written_where_it_stands(
    swept: Path, words: list[str], file: str, line: str
) -> None:
    configs = swept / "configs"
    for folder in ("checks", "transforms"):
        (configs / folder).mkdir(exist_ok=True)
    (configs / "checks" / "drgs.yaml").write_text("finite: false\n")
    (configs / "transforms" / "lag_columns.yaml").write_text("by: calendar # how\n")
    store = open_store(swept)
    record(store, *words)
    wanted = load_settings(swept, overrides=tuple(words)).tree
    assert adopt(store, "mine")
    assert line in (configs / file).read_text()
    assert load_settings(swept).tree == wanted


@pytest.mark.parametrize(
    ("word", "file", "before", "after"),
    [
        ("modeling.split.train=4", "modeling.yaml", "train: 3,", "train: 4,"),
        ("modeling.horizon=1", "modeling.yaml", "", ""),
        (
            "modeling.seed=7",
            "modeling.yaml",
            "baselines: [last]\n",
            "baselines: [last]\nseed: 7\n",
        ),
        (
            "models.last.params.columns=[mean_charge_lag1]",
            "models/last.yaml",
            "[mean_cost_lag1]} # one",
            "[mean_charge_lag1]} # one",
        ),
    ],
)
def test_settings_of_models_are_written_where_they_stand(
    swept: Path, word: str, file: str, before: str, after: str
) -> None:
    add_model(swept)
    store, pipeline = open_store(swept), yaml_of(swept)
    record(store, word)
    text = (swept / "configs" / file).read_text()
    adopt(store, "mine", load_with_models)
    assert (swept / "configs" / file).read_text() == text.replace(before, after)
    assert yaml_of(swept) == pipeline


def test_settings_that_models_do_not_take_are_not_written(swept: Path) -> None:
    add_model(swept)
    store = open_store(swept)
    record(store, "modeling.horizon=2")
    with pytest.raises(ConfigError, match=r"split\.valid: expected at least 2 periods"):
        adopt(store, "mine", load_with_models)
    assert (swept / "configs" / "modeling.yaml").read_text() == MODELING
    with pytest.raises(ConfigError, match=r"split\.valid: expected at least 2 periods"):
        make_variant(swept, "two", ["modeling.horizon=2"], load=load_with_models)


def test_the_default_of_two_stages_is_not_changed_for_one(swept: Path) -> None:
    defaults = swept / "configs" / "transforms" / "lag_columns.yaml"
    defaults.parent.mkdir()
    defaults.write_text("periods: 1\n")
    file = swept / "configs" / "pipeline.yaml"
    more = "  more: {transform: lag_columns}\n  lag_columns:\n"
    text = yaml_of(swept).replace("  lag_columns:\n", more)
    file.write_text(f"{text}more: {{columns: [mean_cost], keys: '${{panel.key}}'}}\n")
    store = open_store(swept)
    record(store, "more.periods=3")
    adopt(store, "mine")
    assert defaults.read_text() == "periods: 1\n"
    assert "'${panel.key}', periods: 3}" in yaml_of(swept)


def test_what_cannot_be_adopted_leaves_all_as_it_was(swept: Path) -> None:
    store, before = open_store(swept), yaml_of(swept)
    record(store, "lag_columns.periods=2", profile="ci")
    with pytest.raises(ConfigError, match="made with --profile ci"):
        adopt(store, "mine")
    with pytest.raises(SnapshotError, match="no variant 'others'"):
        adopt(store, "others")
    assert yaml_of(swept) == before

    # What another value is an alias of cannot be changed alone.
    shared = before.replace("min_total: 20}", "min_total: &n 20}")
    text = shared.replace("history: {runs: 10}", "history: {runs: *n}")
    (swept / "configs" / "pipeline.yaml").write_text(text)
    record(store, "drop_rare_drgs.min_total=40")
    with pytest.raises(ConfigError, match="undefined alias 'n'"):
        adopt(store, "mine")
    assert yaml_of(swept) == text
