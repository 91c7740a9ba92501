"""What a server allows is said in the configuration, and checked."""

import pytest

from pipeline.errors import ConfigError
from pipeline.plan.settings import load_settings
from tests.conftest import LEAN


def test_limits_are_those_of_the_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASK_ME", "a long secret")
    words = ("serving.max_rows=7", "serving.token=${oc.env:ASK_ME}")
    found = load_settings(LEAN, overrides=words).serving
    assert (found.max_rows, found.token, found.timeout_s) == (7, "a long secret", 60)
    wrong = ("serving.max_rows=0", "serving.tokn=x")
    with pytest.raises(ConfigError, match=r"(?s)tokn.*max_rows"):
        load_settings(LEAN, overrides=wrong)
