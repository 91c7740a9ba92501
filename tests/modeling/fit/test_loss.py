import numpy as np
import pytest

from pipeline.modeling.fit.loss import mean_error


def test_errors_of_either_sign_count_alike_and_squares_make_large_ones_decide() -> None:
    error = np.array([-3.0, 4.0, 0.0, 12.0])
    assert mean_error(error, "mae") == 4.75
    assert mean_error(error, "rmse") == pytest.approx(6.5)
    assert mean_error(-error, "rmse") == mean_error(error, "rmse")
