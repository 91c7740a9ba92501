"""Sources: how raw data becomes a typed LazyFrame with the declared columns."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import polars as pl

from pipeline.errors import SourceError
from pipeline.sources.columns import dtype_of
from pipeline.sources.csv import CsvSource, diagnose, number_lines, scan_csv
from pipeline.sources.scan import Scan
from pipeline.sources.synthetic import write_synthetic
from typing import Annotated, Literal
import msgspec
from pipeline.config import BaseConfig
from pipeline.sources.columns import Kind

class SyntheticSource(BaseConfig, frozen=True, kw_only=True, tag="synthetic", tag_field="kind"):
    columns: dict[str, Kind]
    seed: Annotated[int, msgspec.Meta(ge=0)]
    scale: Annotated[int, msgspec.Meta(ge=1)] = 1
    format: Literal["csv", "parquet"] = "csv"
    max_bad_rows: int = 0

def synthetic_path(config, root):
    return root / ".pipeline" / "data" / f"synthetic-{config.seed}-x{config.scale}.{config.format}"

__all__ = ["SourceConfig", "declared", "diagnose", "fetch", "number_lines", "scan"]

SourceConfig: TypeAlias = SyntheticSource | CsvSource
"""Settings of a source; its ``kind`` says which."""


def declared(config: SourceConfig) -> pl.LazyFrame:
    """Return an empty frame of the columns a source declares, to check a plan on."""
    return pl.LazyFrame(
        schema={name: dtype_of(kind) for name, kind in config.columns.items()}
    )


def fetch(config: SourceConfig, root: Path, say: Callable[[str], None]) -> None:
    """Make or download what a source needs, if it is not there.

    Parameters
    ----------
    config : SourceConfig
        The source.
    root : Path
        Project folder.
    say : callable
        Receives a line before something that takes long.
    """
    if isinstance(config, SyntheticSource):
        path = synthetic_path(config, root)
        if not path.exists():
            say(f"making the synthetic data, once: {path.relative_to(root)}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_synthetic(path, seed=config.seed, scale=config.scale)


def scan(config: SourceConfig, root: Path, *, repair: bool = False) -> Scan:
    """Scan a source into the declared columns; reads the head of its files only.

    Parameters
    ----------
    config : SourceConfig
        The source; `fetch` has been called for it.
    root : Path
        Project folder.
    repair : bool, default False
        Read every number as text and mend it, so that ``bad`` is exact; slower.

    Returns
    -------
    Scan
        Good rows, bad cells and files.

    Raises
    ------
    SourceError
        If a file is missing, or is not what the source declares.
    """
    if isinstance(config, SyntheticSource):
        path = synthetic_path(config, root)
        config = CsvSource(path=str(path), columns=config.columns)
    return scan_csv(config, root, repair=repair)
