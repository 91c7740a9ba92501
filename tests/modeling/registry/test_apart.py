"""What a bundle makes, says and refuses in a process of its own comes back as it is."""

import re
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
code, bundle, how, made, others, *given = sys.argv[1:]
"""

TOLD = """
import polars as pl
print("the panel is old")
frames = [pl.read_parquet(path) for path in given]
pl.concat(frames, how="horizontal").with_columns(how=pl.lit(how)).write_parquet(made)
"""


def forecast_by(
    program: str,
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    alone: bool = True,
    periods: pl.Series | None = None,
    spoil: bool = False,
) -> pl.DataFrame:
    """Let another program stand where the bundle is used."""
    folder.mkdir(exist_ok=True)
    path, bundle = folder / "program.py", folder / "bundle"
    path.write_text(START + program)
    patch.setattr(apart, "_PROGRAM", path)
    bundle.mkdir()
    (bundle / "x.json").write_text("{}")
    (bundle / "artifacts" / "bundle").mkdir(parents=True)
    taken = '{"columns": {}, "fitted_through": 2017, "totals": {}}'
    (bundle / "artifacts" / "bundle" / "bundle.json").write_text(taken)
    version = Version("told", 1, "", 0, bundle, write_manifest(bundle), None, None)
    if spoil:
        (bundle / "x.json").write_text("[]")
    settings, rows = load_in(PROJECT), pl.DataFrame({"x": [1]})
    if periods is not None:
        return apart.backtest_apart(settings, version, rows, periods)
    return apart.forecast_apart(settings, version, rows, alone=alone)


def test_what_is_made_comes_back_and_what_is_printed_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = forecast_by(TOLD, tmp_path / "a", monkeypatch)
    assert made.rows() == [(1, "alone")]
    assert caplog.messages == ["the panel is old"]
    made = forecast_by(TOLD, tmp_path / "b", monkeypatch, alone=False)
    assert made.rows() == [(1, "completed")]
    periods = pl.Series("t", [2017])
    made = forecast_by(TOLD, tmp_path / "c", monkeypatch, periods=periods)
    assert made.rows() == [(1, 2017, "backtest")]


def test_the_program_is_told_the_version_and_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "c = os.environ['PYTHONDONTWRITEBYTECODE']\nsys.exit(f'{code} {bundle} {c}')"
    folder = tmp_path / "bundle"
    found = f"found: {folder / 'code'} {folder / 'artifacts' / 'bundle'} 1\n"
    with pytest.raises(ModelError, match=re.escape(found)):
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
