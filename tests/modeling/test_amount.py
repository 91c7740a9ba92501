import pytest

from pipeline.modeling.amount import amount


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
