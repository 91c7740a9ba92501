from typing import Any

import numpy as np
import pytest

from pipeline.transforms.change import past
from tests.transforms.panels import panel, stage_of


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_changes_equal_those_of_pandas_on_a_full_calendar(lag: int) -> None:
    stage = stage_of("change", lag=lag)
    result = stage.apply(panel().lazy()).collect().sort("unit", "day")
    suffix = f"_lag{lag}" if lag else ""
    df: Any = panel().to_pandas()
    for unit, rows in df.groupby("unit"):
        weeks = rows.set_index("day").sort_index()[["n", "x"]].asfreq("7D")
        ours = result.filter(unit=unit)
        for column in ("n", "x"):
            for n in (1, 2):
                new = weeks[column].shift(lag)
                old = weeks[column].shift(lag + n)
                ratio = new / old.where(old != 0)
                twins = {"difference": new - old, "ratio": ratio, "growth": ratio - 1}
                for function, twin in twins.items():
                    expected = twin.reindex(rows.set_index("day").sort_index().index)
                    found = ours[f"{column}_{function}{n}{suffix}"]
                    np.testing.assert_allclose(
                        found.fill_null(float("nan")).to_numpy(), expected.to_numpy()
                    )


def test_names_tell_the_distance_and_the_lag() -> None:
    config = stage_of("change", columns=["n"], periods=[12], functions=["growth"])
    assert past(config.config) == ["n_growth12_lag1"]  # pyright: ignore[reportArgumentType]
