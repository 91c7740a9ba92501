"""The files of a model are known by their hashes."""

from pathlib import Path

import pytest

from pipeline.files.manifest import (
    NAME,
    changes,
    forget_compiled,
    hashes,
    manifest_changes,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them below."""
    (tmp_path / "code").mkdir()
    (tmp_path / "model.txt").write_text("model")
    (tmp_path / "code" / "fit.py").write_text("code")
    return tmp_path


def test_any_change_names_its_file(folder: Path) -> None:
    before = hashes(folder)
    assert list(before) == ["code/fit.py", "model.txt"]
    assert changes(folder, before) == []
    (folder / "model.txt").write_text("other")
    (folder / "code" / "fit.py").rename(folder / "code" / "train.py")
    assert changes(folder, before) == [
        "model.txt holds other bytes",
        "code/fit.py is missing",
        "code/train.py is new",
    ]


def test_lists_of_hashes_and_what_python_compiles_are_left_out(folder: Path) -> None:
    before = hashes(folder)
    (folder / "code" / "__pycache__").mkdir()
    (folder / "code" / "__pycache__" / "fit.pyc").touch()
    for name in ("evaluation.json", "registered_model_meta"):
        (folder / name).touch()
    write_manifest(folder)
    assert hashes(folder) == before
    forget_compiled(folder)
    assert not (folder / "code" / "__pycache__").exists()


def test_manifest_is_believed_only_if_it_is_what_was_written(folder: Path) -> None:
    digest = write_manifest(folder)
    assert manifest_changes(folder) == manifest_changes(folder, digest) == []
    (folder / "model.txt").write_text("other")
    assert manifest_changes(folder, digest) == ["model.txt holds other bytes"]
    write_manifest(folder)
    assert manifest_changes(folder) == []
    assert manifest_changes(folder, digest) == [f"{NAME} holds other bytes"]
    (folder / NAME).write_text("{")
    assert manifest_changes(folder) == [f"{NAME} is missing or cannot be read"]
