"""Rows that kept plans show are those that a plan made anew shows."""

import random
from pathlib import Path

import pytest

from pipeline.run import kept_rows, rows
from tests.commands.conftest import SLOW, SOURCE, invoke, invoke_lightly, told
from tests.conftest import GOLDEN

STAGE = "drop_description_columns"
"""Publishes nothing, and is made of a snapshot."""

QUESTIONS = [
    ("show", STAGE, *SOURCE),
    ("show", "features", "--columns", "year,mean_cost_lag1", "--vertical", *SOURCE),
    ("show", STAGE, "--limit", "3", "--columns", "facility_id,facility_id", *SOURCE),
    ("show", STAGE, "--where", "year = 2012 AND mean_cost > 5000", *SOURCE),
    ("show", STAGE, "--where", "mean_cost < 0", "--format", "csv", *SOURCE),
    ("show", STAGE, "--limit", "0", "--format", "json", *SOURCE),
]
MISTAKES = [
    ("show", STAGE, "--where", "max(year) = 2012", *SOURCE),
    ("show", STAGE, "--where", "yaer = 2012", *SOURCE),
]


def test_kept_plans_show_the_same_without_a_dataframe(
    settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_FEW", 20)
    assert invoke(settled, "run", *SOURCE).exit_code == 0

    def ask(*words: str) -> str:
        for path in (settled / ".pipeline" / "memo").glob("rows-*"):
            path.unlink()
        return told(invoke(settled, *words))

    expected = [ask(*words) for words in (*QUESTIONS, *MISTAKES)]
    for words in QUESTIONS[:2]:
        assert invoke(settled, *words).exit_code == 0
    light = [name for name in SLOW if name != "duckdb"]
    assert invoke_lightly(settled, *QUESTIONS, slow=light) == expected[:-2]
    assert [told(invoke(settled, *words)) for words in MISTAKES] == expected[-2:]


def test_a_plan_is_kept_as_long_as_all_that_it_shows(settled: Path) -> None:
    assert invoke(settled, "run", *SOURCE).exit_code == 0

    def is_kept(*words: str) -> bool:
        asked = (*SOURCE, *words)
        of = (None, (), None)
        return kept_rows.show_kept(settled, None, asked, STAGE, *of) is not None

    assert not is_kept()
    assert invoke(settled, *QUESTIONS[0]).exit_code == 0
    assert is_kept()
    assert not is_kept("drop_rare_drgs.min_total=30")
    [path] = (settled / ".pipeline" / "objects" / "discharges").glob("*.parquet")
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[random.Random(7).randrange(len(content))] ^= 1
    path.write_bytes(flipped)
    assert not is_kept()
    path.write_bytes(content)
    assert is_kept()
    raw = settled / "data" / "raw.csv"
    lines = (GOLDEN / "raw.csv").read_text().splitlines(keepends=True)
    raw.write_text("".join(lines[:2900]))
    assert not is_kept()
    assert invoke(settled, "run", *SOURCE).exit_code == 0
    assert not is_kept()
    assert invoke(settled, *QUESTIONS[0]).exit_code == 0
    assert is_kept()
