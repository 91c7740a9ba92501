import numpy as np
import pytest

from pipeline.modeling.fit.loss import amount, mean_error


def test_errors_of_either_sign_count_alike_and_squares_make_large_ones_decide() -> None:
    error = np.array([-3.0, 4.0, 0.0, 12.0])
    assert mean_error(error, "mae") == 4.75
    assert mean_error(error, "rmse") == pytest.approx(6.5)
    assert mean_error(-error, "rmse") == mean_error(error, "rmse")


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (79_184.6, "", "79,185"),
        (-79_184.6, "+", "-79,185"),
        (100.0, "+", "+100"),
        (99.4, "", "99.4"),
        (0.012345, "+", "+0.0123"),
        (0.0, "", "0"),
        (None, "+", "-"),
    ],
)
def test_an_amount_is_whole_or_has_three_digits(
    value: float | None, sign: str, text: str
) -> None:
    assert amount(value, sign) == text
