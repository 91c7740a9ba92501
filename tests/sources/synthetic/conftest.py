"""What the tests of the synthetic data share."""

import polars as pl
import pytest

from pipeline.sources.synthetic.data import generate
from pipeline.sources.synthetic.source import SEED


@pytest.fixture(scope="session")
def raw() -> pl.DataFrame:
    """The rows of the shipped seed."""
    return pl.concat(generate(seed=SEED))
