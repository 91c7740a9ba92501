"""A model is held to what was made and registered, before any of it is used."""

import random
import shutil
from pathlib import Path

import pytest
from mlflow.pyfunc import load_model

from pipeline.errors import ModelError
from pipeline.files.manifest import hashes, manifest_changes, write_manifest
from pipeline.modeling import records
from pipeline.modeling.data import read_rows
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.forecast import champion_of
from pipeline.modeling.records import damaged_models
from pipeline.modeling.registry.apart import forecast_apart
from pipeline.modeling.score import score
from pipeline.modeling.train import train
from pipeline.plan import code
from pipeline.snapshots.store import open_store, read_runs
from tests.conftest import GOLDEN
from tests.modeling.conftest import Load, champion_folder


def flip(path: Path, seed: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    place = random.Random(seed).randrange(len(content) * 8)
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def kinds_of(root: Path) -> list[Path]:
    """Name one file of each kind that is kept of models."""
    state = root / ".pipeline"
    files = [
        path
        for folder in (state / "models", state / "mlflow" / "artifacts")
        for path in sorted(folder.rglob("*"))
        # MLflow's note of what it loaded is used by nothing of ours.
        if path.is_file() and path.name != "registered_model_meta"
    ]
    kinds = {
        (path.parent.name, path.suffix, path.suffix in (".json", "")): path
        for path in files
        if "__pycache__" not in path.parts and path.parent != state / "models"
    }
    return list(kinds.values())


def test_a_training_counts_what_it_learns_by_and_not_what_comes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def edited(*names: str) -> str:
        def source_of(name: str) -> str:
            return code.source_of(name) + "\nedited = 1" * name.endswith(names)

        monkeypatch.setattr(records, "source_of", source_of)
        records._code_of.cache_clear()
        return records.fingerprint("pipeline/modeling/train.py", kinds=["ridge"])

    as_it_is = edited("/none.py")
    for learned_by in ("/train.py", "/predictor.py", "/fit/design.py", "/ridge.py"):
        assert edited(learned_by) != as_it_is
    assert edited("/forecast.py", "/pack.py", "/score.py", "/lightgbm.py") == as_it_is
    records._code_of.cache_clear()


@pytest.mark.parametrize(
    "n_flips", [1, pytest.param(20, marks=pytest.mark.slow)], ids=["once", "often"]
)
def test_no_flipped_bit_is_silent(copied: Load, n_flips: int) -> None:
    root = copied().root
    assert damaged_models(root) == []
    files = [path for path in kinds_of(root) if path.stat().st_size]
    assert {path.suffix for path in files} >= {".json", ".parquet", ".py", ".html"}
    for path in files:
        before = path.read_bytes()
        for seed in range(n_flips):
            flip(path, seed)
            assert damaged_models(root), path
            path.write_bytes(before)
    assert damaged_models(root) == []


def test_a_champion_of_other_bytes_is_refused_before_any_of_it_runs(
    copied: Load, tmp_path: Path
) -> None:
    settings = copied()
    folder = champion_folder(settings.root)
    version, rows = champion_of(settings), read_rows(settings.pipeline)
    model = next((folder / "artifacts/bundle/predictor/model").iterdir())
    panel = folder / "code/pipeline/panel/past.py"
    marker = tmp_path / "ran"
    for path, addition in (
        (model, " "),
        (panel, f"\nopen({str(marker)!r}, 'w')\n"),
        (folder / "code/pipeline/new.py", "X = 1"),
    ):
        before = path.read_bytes() if path.exists() else None
        with path.open("a") as file:
            file.write(addition)
        name = path.relative_to(folder).as_posix()
        expected = rf"models:/inpatient_profit_ci/1: is not what was .* {name} "
        with pytest.raises(ModelError, match=expected):
            forecast_apart(settings, version, rows, alone=True)
        with pytest.raises(ModelError, match=expected):
            score(settings, GOLDEN / "raw.csv")
        # Served elsewhere, it looks at itself.
        with pytest.raises(
            ModelError, match=r"not what was reg|code of another version"
        ):
            load_model(str(folder))
        path.unlink()
        if before is not None:
            path.write_bytes(before)
    assert not marker.exists()
    # Nor does a list that fits the files make them those that were registered.
    model.write_text(model.read_text() + " ")
    write_manifest(folder)
    assert manifest_changes(folder) == []
    with pytest.raises(ModelError, match=r"registered: manifest.json holds other"):
        version.hold()


def test_what_python_compiled_of_a_bundle_is_not_run(copied: Load) -> None:
    folder = champion_folder(copied().root)
    compiled = folder / "code/pipeline/__pycache__/panel.cpython-311.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"anything")
    champion_of(copied()).hold()
    assert not compiled.exists()


def test_damaged_models_and_figures_are_made_again(
    copied: Load, caplog: pytest.LogCaptureFixture
) -> None:
    settings = copied()
    first = evaluate(settings, "ridge")
    assert not first.is_new
    flip(first.folder / "evaluation.parquet", 1)
    again = evaluate(settings, "ridge")
    assert again.is_new
    assert again.record.metrics == first.record.metrics
    assert "evaluation.parquet holds other bytes: the model is evaluated" in caplog.text
    training = again.training
    predictor = hashes(training.folder / "predictor")
    for path in (
        training.folder / "training.json",
        training.folder / "predictor" / max(predictor),
    ):
        flip(path, 2)
        caplog.clear()
        made = train(settings, "ridge")
        assert made.is_new
        assert hashes(made.folder / "predictor") == predictor
        assert "the model is trained again" in caplog.text


def test_features_are_made_again_before_they_are_learned_from(copied: Load) -> None:
    settings = copied()
    store = open_store(settings.root)
    [made] = [s for s in read_runs(store)[-1].snapshots if s.name == "features"]
    path = store.object("features", made.fingerprint)
    before = path.read_bytes()
    flip(path, 3)
    training = train(settings, "ridge")
    assert not training.is_new
    assert path.read_bytes() == before


def test_a_folder_is_hashed_by_relative_paths(tmp_path: Path) -> None:
    first = tmp_path / "a"
    (first / "b").mkdir(parents=True)
    (first / "b" / "x").write_text("1")
    shutil.copytree(first, tmp_path / "c")
    assert hashes(first) == hashes(tmp_path / "c")
    assert list(hashes(first)) == ["b/x"]
