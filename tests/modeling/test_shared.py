"""Models, figures and studies in a store that clones share."""

import shutil
from pathlib import Path

import pytest

from pipeline.files.shared import Shared
from pipeline.log import LOG
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.shared import model_key, send_models
from pipeline.modeling.train import train
from pipeline.modeling.training import Training
from pipeline.modeling.tune import studied, tune
from pipeline.snapshots.store import open_store, read_runs
from tests.modeling.conftest import load_in

WORDS = (
    *("modeling.baselines=[last_value]", "modeling.study.trials=1"),
    "modeling.study.folds=1",
)


def load(root: Path, shared: Path) -> ModelingSettings:
    return load_in(root, *WORDS, f"store.remote={shared}", "store.push=true")


def clone(of: Path, root: Path) -> Path:
    return Path(shutil.copytree(of, root, symlinks=True))


def opened(shared: Path) -> Shared:
    return Shared(str(shared), LOG.warning)


@pytest.fixture(scope="module")
def main(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Training], Path]:
    """Two baselines, and where they were pushed; only to be copied."""
    folder = tmp_path_factory.mktemp("main")
    (folder / "shared").mkdir()
    settings = load(clone(prepared, folder / "main"), folder / "shared")
    trained = [train(settings, name) for name in ("last_value", "rolling_mean")]
    return trained, folder / "shared"


@pytest.fixture
def shared(main: tuple[list[Training], Path], tmp_path: Path) -> Path:
    """A copy of that place, to be spoiled."""
    return Path(shutil.copytree(main[1], tmp_path / "shared"))


@pytest.mark.slow
def test_what_was_learned_elsewhere_is_not_learned_again(
    prepared: Path, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    one, other = (
        load(clone(prepared, tmp_path / name), tmp_path / "shared")
        for name in ("one", "other")
    )
    tune(one, "ridge")
    there, here = evaluate(one, "ridge"), evaluate(other, "ridge")
    assert not here.is_new
    assert not here.training.is_new
    assert here.record == there.record
    assert here.training.record.created_at == there.training.record.created_at
    assert here.training.record.study == there.training.record.study is not None
    assert here.table("predictions").equals(there.table("predictions"))
    assert tune(other, "ridge").n_new == 0
    # MLflow here has been told.
    assert here.training.record.mlflow_run != there.training.record.mlflow_run


def test_a_model_is_taken_from_where_it_was_pushed(
    main: tuple[list[Training], Path], prepared: Path, tmp_path: Path
) -> None:
    [there, _], shared = main
    settings = load(clone(prepared, tmp_path / "other"), shared)
    here = train(settings, "last_value")
    assert not here.is_new
    assert here.record.created_at == there.record.created_at
    store = open_store(settings.root)
    [run] = read_runs(store)
    assert send_models(store, opened(shared), run) == 0
    (tmp_path / "new").mkdir()
    new = opened(tmp_path / "new")
    assert send_models(store, new, run) == 1
    assert new.entry(model_key("last_value", here.record.fingerprint)) is not None


def test_a_model_that_is_not_what_it_is_named_for_is_trained(
    main: tuple[list[Training], Path],
    prepared: Path,
    shared: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another model, whole in itself, has the name of the one that is asked for."""
    wanted, other = main[0]
    print_ = wanted.record.fingerprint
    files = {
        name.relative_to(other.folder).as_posix(): name
        for name in other.folder.rglob("*.json")
    }
    opened(shared).push(model_key("last_value", print_), files, b"{}")
    trained = train(load(clone(prepared, tmp_path / "other"), shared), "last_value")
    assert trained.is_new
    assert trained.record.fingerprint == print_
    assert f"{print_}.json: is not what it is named for" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("model.pkl", b"\x80\x04.", "holds what no model is kept in: 'model.pkl'"),
        ("ridge-1.jsonl", b"{]\n", "is not what it is named for"),
    ],
    ids=["pickle", "damaged"],
)
def test_a_study_is_read_as_text_or_not_at_all(
    prepared: Path,
    shared: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    content: bytes,
    fault: str,
) -> None:
    (tmp_path / name).write_bytes(content)
    opened(shared).push("studies/ridge-1", {name: tmp_path / name}, b"{}")
    journal = studied(load(clone(prepared, tmp_path / "other"), shared), "ridge-1")
    assert not journal.exists()
    assert fault in caplog.text
