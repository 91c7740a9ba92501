"""What the tests of several sources share."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.sources.columns import Declared
from pipeline.sources.scan import Scan

COLUMNS: dict[str, Declared] = {
    "Year": "code",
    "Name": "label",
    "Discharges": "count",
    "Mean Cost": "money",
    "Ratio": "number",
    "Note": "text",
}


@pytest.fixture
def columns() -> dict[str, Declared]:
    """Declare one column of each kind."""
    return COLUMNS


@pytest.fixture
def collect(tmp_path: Path) -> Callable[[Scan], tuple[pl.DataFrame, pl.DataFrame]]:
    """Collect rows and bad cells in one pass, as the engine does."""

    def collect_scan(scan: Scan) -> tuple[pl.DataFrame, pl.DataFrame]:
        rows, bad = pl.collect_all(scan.frames(), engine="streaming")
        return rows, scan.placed(bad, tmp_path) if scan.exact else bad

    return collect_scan


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of bytes or text below the temporary folder."""

    def write_file(content: str | bytes, name: str = "raw.csv") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write_file
