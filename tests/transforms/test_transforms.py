"""A transformation is a user's file, which may hold anything."""

import pickle
from pathlib import Path

import pytest

from pipeline import transforms
from pipeline.errors import ConfigError
from pipeline.plan.settings import load_settings
from pipeline.run.run import check
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("odd_syntax", b"def (", "found: SyntaxError: invalid syntax"),
        ("odd_bytes", b"x = '\xff'", "found: SyntaxError: "),
        ("odd_import", b"import no_such_library", "found: ModuleNotFoundError: "),
        ("odd_exit", b"raise SystemExit(3)", "found: SystemExit: 3"),
        ("odd_part", b"Config = 1", "defines no odd_part"),
    ],
)
def test_a_file_that_is_no_transformation_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    said: str,
) -> None:
    (tmp_path / f"{name}.py").write_bytes(content)
    monkeypatch.setattr(transforms, "__path__", [str(tmp_path)])
    monkeypatch.setattr(transforms, "transform_names", lambda: [name])
    with pytest.raises(ConfigError) as caught:
        transforms.load_transform(name)
    assert f"pipeline/transforms/{name}.py: " in str(caught.value)
    assert said in str(caught.value)


def test_a_transformation_is_pickled_as_its_name() -> None:
    loaded = transforms.load_transform("product")
    pickled = pickle.dumps(loaded)
    assert len(pickled) < 100
    assert pickle.loads(pickled) is loaded


def test_no_stage_of_the_configuration_collects() -> None:
    # Its own test may pass all the same; the error of one that collects names it.
    assert check(load_settings(ROOT)).snapshots
