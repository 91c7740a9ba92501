"""What a bundle makes, says and refuses in a process of its own comes back as it is."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.files.manifest import write_manifest
from pipeline.modeling.registry import apart
from pipeline.modeling.registry.registry import Version
from tests.conftest import PROJECT
from tests.modeling.conftest import load_in

START = """
import os, sys
from pathlib import Path
_, uri, alone, judged, *given = sys.argv[1:]
"""

DOUBLED = """
import polars as pl
print("the panel is old")
for path in map(Path, given):
    x = pl.col("x") * 2
    pl.read_parquet(path).select(x).write_parquet(path.with_suffix(".made"))
"""


def forecast_by(
    program: str,
    folder: Path,
    patch: pytest.MonkeyPatch,
    *panels: pl.DataFrame,
    spoil: bool = False,
) -> list[pl.DataFrame]:
    """Let another program stand where the bundle is used."""
    path, bundle = folder / "program.py", folder / "bundle"
    path.write_text(START + program)
    patch.setattr(apart, "_PROGRAM", path)
    bundle.mkdir()
    (bundle / "x.json").write_text("{}")
    version = Version("told", 1, "", 0, bundle, write_manifest(bundle), None, None)
    if spoil:
        (bundle / "x.json").write_text("[]")
    return apart.forecast_apart(load_in(PROJECT), version, panels, alone=True)


def test_each_panel_gets_its_forecast_and_what_is_printed_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    panels = [pl.DataFrame({"x": [n]}) for n in range(11)]
    made = forecast_by(DOUBLED, tmp_path, monkeypatch, *panels)
    assert [df.item() for df in made] == [2 * n for n in range(11)]
    assert caplog.messages == ["the panel is old"]


def test_the_program_is_told_the_version_and_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (
        "c = os.environ['PYTHONDONTWRITEBYTECODE']\n"
        "sys.exit(f'{uri} {alone} {judged} {c}')"
    )
    with pytest.raises(ModelError, match=r"found: models:/told/1 1 0 1\n"):
        forecast_by(told, tmp_path, monkeypatch)


def test_what_the_bundle_refuses_is_said_as_it_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses = f"sys.stderr.write('rows: none\\n'); sys.exit({apart.REFUSED})"
    with pytest.raises(ModelError, match=r"^rows: none$"):
        forecast_by(refuses, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ("raise OSError('lost')", "OSError: lost"),
        ("raise OSError('lost\\n\\tin [col(x)]\\n')", "OSError: lost"),
        ("os._exit(9)", "no message"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_named_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str, found: str
) -> None:
    expected = rf"^models:/told/1: cannot be loaded and used\nfound: {found}\nhint: "
    with pytest.raises(ModelError, match=expected) as error:
        forecast_by(ends, tmp_path, monkeypatch)
    # Its files were seen to be whole.
    assert "delete" not in str(error.value)


def test_files_that_are_not_the_registered_ones_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "ran"
    runs = f"Path({str(marker)!r}).touch()"
    with pytest.raises(ModelError, match=r"is not what was registered: x\.json "):
        forecast_by(runs, tmp_path, monkeypatch, spoil=True)
    assert not marker.exists()
