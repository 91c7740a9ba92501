import pytest

from tests.modeling.conftest import draw_nothing, forecast_here, prepared

__all__ = ["prepared"]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use bundles in this process, and draw no charts."""
    forecast_here(monkeypatch)
    draw_nothing(monkeypatch)
