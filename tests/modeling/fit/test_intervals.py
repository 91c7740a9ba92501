import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.fit.intervals import Calibration, calibrate
from pipeline.modeling.fit.target import Array


def drawn(n: int, *, quantiles: bool, seed: int) -> tuple[Array, Array, Array, Array]:
    """Outcomes, predictions and quantiles (too narrow) of a skewed, uneven world."""
    rng = np.random.default_rng(seed)
    prediction = np.exp(rng.normal(10, 2, n))
    spread = 0.1 * prediction * (1 + np.log(prediction) / 10)
    z = prediction + spread * (rng.exponential(size=n) - 0.5)
    width = 0.3 * spread if quantiles else 0 * spread
    return z, prediction, prediction - width, prediction + width


@pytest.mark.parametrize("quantiles", [True, False], ids=["quantiles", "point"])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_each_size_is_covered_as_promised(coverage: float, quantiles: bool) -> None:
    known = drawn(20_000, quantiles=quantiles, seed=1)
    calibration = calibrate(*known, coverage=coverage)
    assert len(calibration.edges) == 9

    z, prediction, *ends = drawn(50_000, quantiles=quantiles, seed=2)
    lower, upper = calibration.widen(prediction, ends[0], ends[1])
    sizes = np.searchsorted(calibration.edges, prediction)
    for size in range(10):
        rows = sizes == size
        # Of 2,000 and 5,000 rows: three standard errors.
        error = 3 * np.sqrt(0.1 * 0.9 * (1 / 2000 + 1 / 5000))
        assert abs((z < lower)[rows].mean() - (1 - coverage) / 2) < error
        assert abs((z > upper)[rows].mean() - (1 - coverage) / 2) < error


def test_ends_move_by_the_conformal_quantile_by_hand() -> None:
    # 19 rows and 90 %: (19 + 1) * 0.95 = 19, the largest of the scores.
    z = np.arange(1.0, 20.0)
    zero = np.zeros(19)
    calibration = calibrate(z, zero, zero, zero, coverage=0.9)
    assert calibration == Calibration(edges=[], lower=[-1.0], upper=[19.0])
    # 39 rows: (39 + 1) * 0.95 = 38, the last but one.
    z, zero = np.arange(1.0, 40.0), np.zeros(39)
    calibration = calibrate(z, zero, zero, zero, coverage=0.9)
    assert (calibration.lower, calibration.upper) == ([-2.0], [38.0])


def test_widen_takes_the_bin_of_the_size_of_either_sign() -> None:
    calibration = Calibration(edges=[10.0], lower=[1.0, 2.0], upper=[3.0, 4.0])
    zero = np.zeros(4)
    lower, upper = calibration.widen(np.array([0.0, 9.9, 10.0, -50.0]), zero, zero)
    np.testing.assert_array_equal(lower, [-1, -1, -2, -2])
    np.testing.assert_array_equal(upper, [3, 3, 4, 4])


def test_predictions_that_are_mostly_equal_are_covered_too() -> None:
    rng = np.random.default_rng(3)
    prediction = np.where(np.arange(2000) < 1950, 0.0, 1.0)
    z = prediction + rng.normal(size=2000)
    calibration = calibrate(z, prediction, prediction, prediction, coverage=0.9)
    lower, upper = calibration.widen(prediction, prediction, prediction)
    assert ((lower <= z) & (z <= upper)).mean() == pytest.approx(0.9, abs=0.01)


def test_too_few_rows_are_refused() -> None:
    few = np.zeros(18)
    with pytest.raises(ModelError, match="found 18 rows to calibrate on, expected 19"):
        calibrate(few, few, few, few, coverage=0.9)
