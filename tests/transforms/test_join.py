import polars as pl
from polars.testing import assert_frame_equal

from pipeline.transforms.join import Config, join

LF = pl.LazyFrame({"shop": ["t", "s", None, "u"], "n": [1, 2, 3, 4]})
SHOPS = pl.LazyFrame(
    {"town": ["A", "B", "C"], "size": [3, 5, 7], "shop": ["s", "t", None]}
)


def test_columns_equal_those_that_pandas_merges_in_the_order_of_the_rows() -> None:
    expected = (
        LF.collect()
        .to_pandas()
        .merge(
            SHOPS.collect().to_pandas().dropna(), on="shop", how="left", validate="m:1"
        )
    )
    result = join(LF, SHOPS, Config(keys=["shop"], columns=None)).collect()
    assert_frame_equal(
        result, pl.from_pandas(expected), check_dtypes=False, check_exact=True
    )
    assert result.schema["size"] == pl.Int64


def test_only_what_is_named_is_added() -> None:
    result = join(LF, SHOPS, Config(keys=["shop"], columns=["size"])).collect()
    assert result.rows() == [("t", 1, 5), ("s", 2, 3), (None, 3, None), ("u", 4, None)]
