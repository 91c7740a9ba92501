import pytest


@pytest.fixture
def charts() -> None:
    """Draw them."""
