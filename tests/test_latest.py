"""What `just test-latest` says of what fails."""

import sys
from pathlib import Path

import pytest

from tests import latest


def test_report_names_what_breaks_first_and_what_is_unexplained() -> None:
    said = latest.report(
        locked={"polars": "2.1.0", "zipp": "4.1.2"},
        changed={"new": "1.0", "polars": "2.2.0", "zipp": "4.1.3"},
        failed={"a.py::test", "b.py::test", "c.py::test"},
        known={"b.py::test"},
        breaks={"polars": {"a.py::test"}, "zipp": set()},
    )
    assert said.splitlines() == [
        "| package | locked | newest | breaks |",
        "|---|---|---|---|",
        "| polars | 2.1.0 | 2.2.0 | `a.py::test` |",
        "| new |  | 1.0 |  |",
        "| zipp | 4.1.2 | 4.1.3 |  |",
        "",
        "3 failed with the newest of everything.",
        "- Fails with the locks, too: `b.py::test`",
        "- Fails with none of them alone: `c.py::test`",
    ]


@pytest.mark.slow
def test_failing_tests_are_named_and_so_is_a_run_that_cannot_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "LATEST", Path(sys.prefix))
    file = tmp_path / "test_it.py"
    words = (str(file), f"--rootdir={tmp_path}", "-c", "/dev/null")
    file.write_text("def test_a(): assert 0\ndef test_b(): pass\n")
    assert latest.failing(words) == {"test_it.py::test_a"}
    file.write_text("def test_b(): pass\n")
    assert latest.failing(words) == set()
    file.unlink()
    assert latest.failing(words) == {latest.NOTHING_RUNS}
