import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.errors import ModelError
from pipeline.modeling import predictor
from pipeline.modeling.data import between, current_features
from pipeline.modeling.models import load_kind
from pipeline.modeling.predictor import fit_predictor
from pipeline.modeling.records import all_trainings, new_folder
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking import tracking
from pipeline.modeling.tracking.tracking import store_uri
from pipeline.modeling.train import train, training_fingerprint
from pipeline.modeling.tune import best_params
from tests.modeling.conftest import Load

MODELS = ["last_value", "lightgbm", "random_forest", "ridge", "rolling_mean"]


def tracked(settings: ModelingSettings) -> list[Run]:
    """All runs in MLflow that are not deleted."""
    client = MlflowClient(store_uri(settings.root))
    found = client.get_experiment_by_name(settings.modeling.name)
    return list(client.search_runs([found.experiment_id])) if found else []


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_nothing_is_kept(settings: ModelingSettings) -> None:
    assert not files_in(settings.root / ".pipeline" / "models")
    assert not list(settings.root.glob(".pipeline/models/*/.*"))
    assert not tracked(settings)


@pytest.mark.parametrize("model", MODELS)
def test_model_has_the_same_bytes_for_any_threads_and_order_of_rows(
    ml: Load, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = (
        f"models.{name}.params.rounds=5" for name in ("lightgbm", "random_forest")
    )
    settings = ml(*rounds)
    features = current_features(settings)
    shuffled = pl.read_parquet(features.path).sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_parquet(tmp_path / "shuffled.parquet")
    other = replace(features, path=tmp_path / "shuffled.parquet")

    made: list[tuple[dict[str, bytes], bytes]] = []
    for source, n_threads in [(features, 1), (features, 2), (other, 2)]:
        df = source.read(settings.modeling)
        learned = between(df, settings.modeling, (2010, 2014))
        valid = between(df, settings.modeling, (2015, 2015))
        monkeypatch.setattr(predictor.pl, "thread_pool_size", lambda n=n_threads: n)
        fitted = fit_predictor(
            learned, valid, settings.models[model], settings.modeling
        )
        folder = tmp_path / f"{len(made)}"
        folder.mkdir()
        fitted.save(folder)
        predictions = fitted.predict(valid).to_numpy().tobytes()
        made.append((files_in(folder), predictions))
    assert made[0] == made[1] == made[2]


def test_training_is_made_once(ml: Load) -> None:
    first = train(ml(), "ridge")
    assert first.is_new
    again = train(ml("modeling.study.trials=7"), "ridge")
    assert not again.is_new
    assert again.record == first.record
    assert [record for _, record in all_trainings(ml().root)] == [first.record]
    assert len(tracked(ml())) == 1


def test_a_training_is_another_where_what_decides_it_is(ml: Load) -> None:
    def named(*words: str) -> str:
        settings = ml(*words)
        features = current_features(settings)
        config, _ = best_params(settings, "ridge", features)
        return training_fingerprint(features, config, settings)

    first = named()
    of_no_account = (
        "modeling.study.trials=7",
        "modeling.bootstrap.samples=300",
        "modeling.split.test=[2017, 2017]",
        "models.ridge.space.alpha.low=1",
        "models.lightgbm.params.rounds=3",
    )
    assert named(*of_no_account) == first
    fingerprints = {
        named(change)
        for change in (
            "models.ridge.params.alpha=99",
            "models.ridge.target.kind=difference",
            "models.ridge.weight={power: 1, scale: 10}",
            "modeling.seed=1",
            "modeling.coverage=0.8",
            "modeling.split.train=[2011, 2014]",
            "drop_rare_drgs.min_total=600",
        )
    }
    assert len(fingerprints | {first}) == 8


def test_record_and_mlflow_say_what_was_made(ml: Load) -> None:
    settings = ml()
    training = train(settings, "last_value")
    record = training.record
    df = training.features.read(settings.modeling)
    valid = df.filter(year=2015)
    lagged = valid["w_total_median_profit_lag1"].fill_null(
        valid["w_total_median_profit_rolling2"]
    )
    error = (valid["w_total_median_profit"] - lagged).to_numpy()
    assert record.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert record.metrics["mae"] == pytest.approx(np.mean(np.abs(error)))
    assert record.n_rows == {
        "train": df.filter(pl.col("year") <= 2014).height,
        "valid": valid.height,
    }
    assert record.study is None
    assert record.features == training.features.fingerprint

    [run] = tracked(settings)
    assert run.info.run_id == record.mlflow_run
    assert run.info.status == "FINISHED"
    began = int(record.created_at.timestamp() * 1000)
    assert run.info.start_time == began
    assert run.info.end_time is not None
    assert run.info.end_time - began == pytest.approx(record.fit_s * 1000, abs=1)
    assert run.data.metrics == {
        "valid_rmse": record.metrics["rmse"],
        "valid_mae": record.metrics["mae"],
    }
    assert run.data.params == {
        "kind": "known_value",
        "target.kind": "none",
        "train": "2010 to 2014",
        "valid": "2015",
        "columns": "['w_total_median_profit_lag1', 'w_total_median_profit_rolling2']",
    }
    tags = run.data.tags
    assert tags["model_fingerprint"] == record.fingerprint
    assert tags["snapshot_fingerprint"] == record.features
    assert tags["pipeline_run"] == record.run_id
    assert tags["version.polars"] == pl.__version__
    asked = [tags[name] for name in ("target", "unit", "metric", "seed")]
    assert asked == ["w_total_median_profit", "$", "mae", "2009"]
    n_train, n_valid = record.n_rows["train"], record.n_rows["valid"]
    assert tags["mlflow.note.content"] == (
        "last_value, to predict w_total_median_profit ($) of a facility_id and"
        " apr_drg_code one year ahead. Fitted with the parameters of its YAML to"
        f" {n_train:,} rows of `features`, 2010 to 2014, its intervals to"
        f" {n_valid} rows of 2015."
    )
    assert run.inputs is not None
    [source] = run.inputs.dataset_inputs
    assert source.dataset.name == "features"
    assert source.dataset.digest == record.features[:36]
    assert source.dataset.source == str(training.features.path)
    assert [tag.value for tag in source.tags] == ["training"]


def test_parameters_are_all_that_the_model_was_fitted_with_and_no_bounds(
    ml: Load,
) -> None:
    settings = ml("models.lightgbm.params={rounds: 3}")
    config = settings.models["lightgbm"]
    assert config.space
    train(settings, "lightgbm")
    [run] = tracked(settings)
    params = msgspec.convert(config.params, load_kind("lightgbm").Params)
    fitted = msgspec.to_builtins(params)
    assert run.data.params.items() >= {k: str(v) for k, v in fitted.items()}.items()
    beside = run.data.params.keys() - fitted.keys()
    known = {"kind", "target", "weight", "categorical", "train", "valid"}
    assert {name.partition(".")[0] for name in beside} <= known


def test_commit_is_that_of_the_project_and_says_what_differs(
    ml: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = ml().root

    def git(*words: str) -> str:
        named = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = subprocess.run(
            ["git", "-C", str(root), *named, *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(seed: int) -> tuple[str | None, str | None, str | None]:
        record = train(ml(f"modeling.seed={seed}"), "last_value").record
        by_run = {run.info.run_id: run.data.tags for run in tracked(ml())}
        tags = by_run[record.mlflow_run]
        git = "mlflow.source.git"
        return record.commit, tags.get(f"{git}.commit"), tags.get(f"{git}.dirty")

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    assert commit(1) == (None, None, None)
    git("init", "--quiet")
    git("add", "configs")
    git("commit", "--quiet", "--message=first")
    head = git("rev-parse", "HEAD")
    assert commit(2) == (head, head, "false")
    with (root / "configs" / "models" / "ridge.yaml").open("a") as file:
        file.write("# more\n")
    assert commit(3) == (f"{head}-dirty", head, "true")
    monkeypatch.setenv("PATH", "")
    assert commit(4) == (None, None, None)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ("modeling.split.valid=2018", "modeling.split.test=[2019, 2020]"),
            "features: no rows of 2018 and 2019 and 2020\nfound: 2010 to 2017\n",
        ),
        (
            ("modeling.split.train=[2000, 2009]",),
            "features: no rows of 2000 and 2009\n",
        ),
        (
            # What was the target is a feature then, and of its own period.
            (
                "modeling.target=w_mean_charge_lag1",
                "modeling.past=[w_total_median_profit_rolling2]",
                "modeling.leaks=[w_total_median_profit]",
            ),
            "w_mean_charge_lag1: 35 of 1418 rows are null or not finite\n",
        ),
        (
            ("modeling.coverage=0.999",),
            "intervals: found 276 rows to calibrate on, expected 1999 for a coverage",
        ),
        (
            ("models.ridge.categorical=[facility_id]",),
            "ridge: takes no categories, found facility_id\n",
        ),
    ],
    ids=["no valid year", "no train years", "null target", "coverage", "categories"],
)
def test_what_cannot_be_learned_from_is_one_error_and_leaves_nothing(
    ml: Load, overrides: tuple[str, ...], expected: str
) -> None:
    settings = ml(*overrides)
    with pytest.raises(ModelError) as caught:
        train(settings, "ridge")
    assert str(caught.value).startswith(expected)
    assert "\nhint: " in str(caught.value)
    assert_nothing_is_kept(settings)


def test_constant_target_is_refused(ml: Load) -> None:
    settings = ml()
    path = settings.root / "data" / "raw.csv"
    raw = pl.read_csv(path, infer_schema=False)
    same = {f"{kind} Charge": pl.col(f"{kind} Cost") for kind in ("Mean", "Median")}
    raw.with_columns(**same).write_csv(path)
    with pytest.raises(ModelError, match=r"found 0\.0 in all \d+ training rows"):
        train(settings, "lightgbm")
    assert_nothing_is_kept(settings)


def test_store_in_use_is_one_error_and_leaves_nothing(
    ml: Load, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ml()
    current_features(settings)  # makes the copied project's catalog again, and says so
    capfd.readouterr()
    monkeypatch.setattr(tracking, "_PATIENCE_S", 0.2)
    database = settings.root / ".pipeline" / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ModelError) as caught:
            train(settings, "last_value")
    text = str(caught.value)
    assert "MLflow's store cannot be used\nfound: database is locked\nhint: " in text
    said = "training last_value, parameters of the YAML\n"
    assert capfd.readouterr().err in ("", said)
    assert_nothing_is_kept(settings)
    assert train(settings, "last_value").is_new


def test_damaged_store_is_one_error(ml: Load) -> None:
    settings = ml()
    database = settings.root / ".pipeline" / "mlflow" / "mlflow.db"
    database.write_bytes(b"no database" * 1000)
    with pytest.raises(ModelError, match="found: file is not a database\n"):
        train(settings, "last_value")
    assert not files_in(settings.root / ".pipeline" / "models")


def test_run_that_mlflow_refuses_half_way_is_not_left_behind(ml: Load) -> None:
    settings = ml()
    database = settings.root / ".pipeline" / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(database)) as other:
        other.execute(
            "CREATE TRIGGER refusal BEFORE INSERT ON params"
            " BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    with pytest.raises(ModelError, match=r"found: .*disk is full"):
        train(settings, "last_value")
    assert_nothing_is_kept(settings)


def test_half_written_and_unreadable_records_count_as_none(ml: Load) -> None:
    training = train(ml(), "last_value")
    path = training.folder / "training.json"
    old = msgspec.structs.replace(training.record, format=0)
    for content in (b"{", msgspec.json.encode(old)):
        path.write_bytes(content)
        assert not all_trainings(ml().root)
        assert train(ml(), "last_value").is_new
    assert len(all_trainings(ml().root)) == 1


def test_a_run_that_a_kill_left_without_a_model_becomes_the_next_ones(ml: Load) -> None:
    killed = train(ml(), "last_value")
    shutil.rmtree(killed.folder)
    again = train(ml(), "last_value")
    assert again.is_new
    assert [run.info.run_id for run in tracked(ml())] == [again.record.mlflow_run]


def test_new_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"

    def fail() -> None:
        with new_folder(target) as partial:
            (partial / "x").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not files_in(tmp_path)
    with new_folder(target) as partial:
        (partial / "x").write_text("1")
    with pytest.raises(ZeroDivisionError):
        fail()
    assert files_in(tmp_path) == {"a/b/x": b"1"}
    (tmp_path / "file").touch()
    with (
        pytest.raises(ModelError, match="file/b: cannot be written"),
        new_folder(tmp_path / "file" / "b"),
    ):
        pass
