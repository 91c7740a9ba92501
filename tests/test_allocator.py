import os
import subprocess
import sys

import pytest

from pipeline.process import reuse_freed_memory
from tests.conftest import ROOT

VARIABLE = "_RJEM_MALLOC_CONF"


def test_memory_is_reused_in_one_arena_per_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    reuse_freed_memory()
    assert environment == {
        VARIABLE: "narenas:12,dirty_decay_ms:2000,oversize_threshold:0"
    }


def test_a_setting_of_the_users_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "narenas:1")
    reuse_freed_memory()
    assert os.environ[VARIABLE] == "narenas:1"


def test_it_is_set_before_polars_is_loaded() -> None:
    code = "import sys, pipeline.__main__; print('polars' in sys.modules)"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed == "False\n"
