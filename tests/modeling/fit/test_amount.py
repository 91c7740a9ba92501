import pytest

from pipeline.modeling.fit.amount import amount


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (1_234_567, "", "$1.23M"),
        (999_600, "", "$1M"),
        (-350_400, "+", "-$350k"),
        (2.5e9, "+", "+$2.5B"),
        (12.34, "", "$12.3"),
        (0.012345, "+", "+$0.0123"),
        (0, "+", "$0"),
    ],
)
def test_an_amount_has_three_digits_and_its_unit(
    value: float, sign: str, text: str
) -> None:
    bare = text.replace("$", "")
    assert amount(value, "$", sign) == text
    assert amount(value, "", sign) == bare
    assert amount(value, "persons", sign) == f"{bare} persons"
    assert amount(None, "persons", sign) == "-"
