"""What a server allows is said in the configuration, and checked."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.plan.settings import load_settings
from pipeline.serving.settings import serving_of
from tests.conftest import make_project


def test_limits_are_those_of_the_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASK_ME", "a long secret")
    root = make_project(tmp_path)
    words = ("serving.max_rows=7", "serving.token=${oc.env:ASK_ME}")
    found = serving_of(load_settings(root, overrides=words))
    assert (found.max_rows, found.token, found.timeout_s) == (7, "a long secret", 60)
    wrong = load_settings(root, overrides=("serving.max_rows=0", "serving.tokn=x"))
    with pytest.raises(ConfigError, match=r"(?s)tokn.*max_rows"):
        serving_of(wrong)
