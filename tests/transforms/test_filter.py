import msgspec
import polars as pl
import pytest

from pipeline.transforms import filter as module
from pipeline.transforms.filter import Config

LF = pl.LazyFrame({"n": [5, 0, None, 7], "kind": ["a", "b", "a", "c"]})


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("n > 0", [5, 7]),
        ("not (n > 0)", [0]),
        ("n is null or kind = 'c'", [None, 7]),
        ("kind in ('a', 'b') and n % 5 = 0", [5, 0]),
    ],
)
def test_rows_stay_for_which_it_is_true(where: str, kept: list[int | None]) -> None:
    assert module.filter(LF, Config(where=where)).collect()["n"].to_list() == kept


def test_what_looks_at_other_rows_is_refused_with_the_configuration() -> None:
    with pytest.raises(msgspec.ValidationError, match="found `max`"):
        msgspec.convert({"where": "n = max(n)"}, Config)
