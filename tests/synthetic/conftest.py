"""What the tests of the synthetic data share."""

from collections.abc import Iterator

import polars as pl
import pytest

from sources.synthetic import Config, synthetic

SEED = 2009
"""The seed the calibration was made with."""


def generate(*, seed: int = SEED, scale: int = 1) -> Iterator[pl.DataFrame]:
    """Make the rows of a seed, in frames."""
    return synthetic(Config(columns={}, seed=seed, scale=scale))


@pytest.fixture(scope="session")
def raw() -> pl.DataFrame:
    """The rows of the shipped seed."""
    return pl.concat(generate())
