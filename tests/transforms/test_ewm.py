from typing import Any

import numpy as np
import pytest

from tests.transforms.panels import panel, stage_of


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_means_equal_those_of_pandas(lag: int) -> None:
    made = stage_of("ewm", lag=lag).apply(panel(40).lazy()).collect()
    suffix = f"_lag{lag}" if lag else ""
    df: Any = panel(40).to_pandas().sort_values(["unit", "day"])
    for column in ("n", "x"):
        expected = df.groupby("unit")[column].transform(
            lambda x: x.astype(float).ewm(halflife=2).mean().shift(lag)
        )
        found = made[f"{column}_ewm{suffix}"].fill_null(float("nan"))
        np.testing.assert_allclose(found.to_numpy(), expected.to_numpy())
