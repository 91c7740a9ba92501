import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.modeling.fit.target import (
    AsinhTarget,
    DifferenceTarget,
    GrowthTarget,
    NoneTarget,
    RelativeTarget,
    TargetConfig,
    Weight,
)

TARGETS = [
    NoneTarget(),
    AsinhTarget(scale=1e5),
    DifferenceTarget(),
    GrowthTarget(scale=1e5),
    RelativeTarget(scale=1e5),
]
dollars = st.floats(-1e9, 1e9)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: type(t).__name__)
@given(y=st.lists(dollars, min_size=2, max_size=9, unique=True), past=dollars)
def test_target_returns_and_rises(
    target: TargetConfig, y: list[float], past: float
) -> None:
    values, before = np.sort(np.array(y)), np.full(len(y), past)
    z = target.forward(values, before)
    assert (np.diff(z) >= 0).all()
    # Next to a large past, what is left of a small target is what its digits hold.
    near = 1e-7 * (1 + abs(past) / 1e3 + np.abs(values))
    assert (np.abs(target.backward(z, before) - values) <= near).all()


def test_targets_by_hand() -> None:
    y, past = np.array([np.sinh(1.0)]) * 10, np.array([np.sinh(0.25)]) * 10
    assert NoneTarget().forward(y, past) == y
    assert DifferenceTarget().forward(y, past) == y - past
    assert AsinhTarget(scale=10).forward(y, past) == pytest.approx(1.0)
    assert GrowthTarget(scale=10).forward(y, past) == pytest.approx(0.75)


def test_a_mean_of_the_relative_target_is_one_of_the_target() -> None:
    past, y = np.full(3, -40.0), np.array([-50.0, 0.0, 20.0])
    target = RelativeTarget(scale=10)
    z = target.forward(y, past)
    assert z == pytest.approx([-0.2, 0.8, 1.2])
    assert target.backward(np.full(1, z.mean()), past[:1]) == pytest.approx(y.mean())


def test_weights_by_hand() -> None:
    weight = Weight(power=2, scale=1).of(np.array([-1.0, 0.0, 3.0]))
    np.testing.assert_allclose(weight, np.array([4, 1, 16]) / 7)
