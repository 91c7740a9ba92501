"""Events at any minute, which become days."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.projects.walk import project, walk

EDIT = """\
modeling:
  model: ridge
  baselines: [last_value]
  bootstrap: {samples: 100}
  promotion: {max_bias: 0.5, max_coverage_gap: 0.5, max_slice_loss: 0.95}
"""


def tickets(file: Path) -> Path:
    """Draw what desks are asked, in no order; at weekends it is next to nothing."""
    chance = random.Random(4)
    lines = list[str]()
    for i, desk in enumerate("ABCDE"):
        for n in range(90):
            day = datetime(2022, 1, 1) + timedelta(days=n)
            for _ in range((20 + 4 * i) // (8 if day.weekday() > 4 else 1)):
                at = day + timedelta(minutes=chance.randrange(1440))
                lines.append(f"{at},{desk},{chance.randint(1, 3)}")
    chance.shuffle(lines)
    file.write_text("\n".join(["at,desk,n", *lines]))
    return file


@pytest.mark.slow
def test_events_reach_a_forecast(tmp_path: Path) -> None:
    file = tickets(tmp_path / "tickets.csv")
    walked = walk(project(tmp_path, EDIT, file, every="1d"))
    assert walked.leaks == []
    rows = pd.read_csv(file, parse_dates=["at"])
    rows["at"] = rows["at"].dt.floor("D")
    days = pd.DataFrame(rows.groupby(["desk", "at"])[["n"]].sum())
    pd.testing.assert_frame_equal(walked.table("tickets"), days, check_index_type=False)
    made = walked.predictions
    assert made["at"].dt.date().unique().to_list() == [date(2022, 4, 1)]
    assert made.height == 5
