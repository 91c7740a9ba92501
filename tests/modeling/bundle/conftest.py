"""What the tests of bundles share."""

import polars as pl
import pytest

from tests.modeling.conftest import Packed


@pytest.fixture(scope="session")
def whole(packed: Packed) -> pl.DataFrame:
    """What the bundle makes of all rows."""
    return packed.bundle.forecast(packed.rows)
