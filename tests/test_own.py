"""A project's own Python is that of its own folder, whichever project came before."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.own import load_module


def test_a_name_means_the_module_of_the_project_that_is_asked(tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 2)):
        folder = tmp_path / name / "parts"
        folder.mkdir(parents=True)
        (folder / "_shared.py").write_text(f"VALUE = {value}")
        (folder / "it.py").write_text("from parts._shared import VALUE")
    for name, value in (("a", 1), ("b", 2), ("a", 1)):
        module = load_module("parts", "it", ["VALUE"], tmp_path / name)
        assert value == module.VALUE
    with pytest.raises(ConfigError, match=r"^parts/it\.py: defines no X and no Y$"):
        load_module("parts", "it", ["X", "VALUE", "Y"], tmp_path / "a")
    (tmp_path / "a" / "parts" / "late.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="cannot be imported\nfound: ZeroDivision"):
        load_module("parts", "late", [], tmp_path / "a")


def test_a_module_of_the_package_needs_no_project() -> None:
    assert load_module("pipeline.transforms", "join", ["Config"], None).join


def test_a_helper_that_stands_elsewhere_in_the_project_is_told_where(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (tmp_path / "lib.py").touch()
    (folder / "it.py").write_text("from lib import mean")
    (folder / "other.py").write_text("import nosuchlib")
    with pytest.raises(ConfigError, match=r"parts/_lib\.py, and is imported as parts"):
        load_module("parts", "it", [], tmp_path)
    with pytest.raises(ConfigError, match=r"'nosuchlib'$"):
        load_module("parts", "other", [], tmp_path)
