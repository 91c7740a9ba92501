"""The synthetic source: a made-up stand-in for New York's inpatient cost data."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline.files.state import State
from pipeline.sources.columns import DeclaredColumns

VERSION = 1
"""Counts the changes that make other rows of the same seed; part of the file's name."""

SEED = 2009
"""The seed the calibration was made with."""


class SyntheticSource(
    DeclaredColumns, frozen=True, kw_only=True, tag="synthetic", tag_field="kind"
):
    """Rows made up once, and kept."""

    seed: Annotated[int, msgspec.Meta(ge=0)] = SEED
    """Other seeds give other rows of nearly the same statistics."""
    scale: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Times the facilities of New York, 1,081,672 rows each."""
    format: Literal["csv", "parquet"] = "csv"


def synthetic_path(config: SyntheticSource, root: Path) -> Path:
    """Name the file of a configuration; other settings have other files."""
    name = f"synthetic-v{VERSION}-seed{config.seed}-x{config.scale}.{config.format}"
    return State(root).data / name
