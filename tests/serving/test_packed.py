"""What unpacks to more than may be is told before it is unpacked."""

import io
import random
import re
from typing import Any

import polars as pl
import pytest

from pipeline.serving.packed import MALFORMED, TooLarge, hold_arrow, hold_parquet

TABLE = pl.DataFrame({"a": ["0" * 9_000] * 3, "b": [1, 2, None]})
HOLD = {"parquet": hold_parquet, "ipc_stream": hold_arrow}


def written(form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    getattr(TABLE, f"write_{form}")(out, **how)
    return out.getvalue()


@pytest.mark.parametrize("form", HOLD)
def test_a_table_of_few_rows_and_bytes_may_come(form: str) -> None:
    HOLD[form](written(form), 3, 30_000)


@pytest.mark.parametrize("form", HOLD)
def test_rows_are_counted(form: str) -> None:
    with pytest.raises(TooLarge, match="more than 2 rows, expected"):
        HOLD[form](written(form), 2, 1 << 30)


def test_pages_are_believed_and_not_the_footer() -> None:
    body = written("parquet", statistics=False)
    assert len(body) < 1_000
    said = re.sub(rb"[\x80-\xff]{2}[\1-\7]", b"\x80\x80\0", body[-400:])
    assert said != body[-400:]  # numbers of three bytes are 0 now
    with pytest.raises(TooLarge, match="unpacks to more than"):
        hold_parquet(body[:-400] + said, 3, 5_000)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_arrow_is_taken_uncompressed(compression: str) -> None:
    body = written("ipc_stream", compression=compression)
    with pytest.raises(TooLarge, match=r"compressed buffers(.|\n)*hint: "):
        hold_arrow(body, 3, 1 << 30)


@pytest.mark.parametrize("form", HOLD)
def test_damaged_bytes_are_malformed_or_told(form: str) -> None:
    damage, body = random.Random(19), written(form)[-2_000:]
    for _ in range(50):
        odd = bytearray(body)
        odd[damage.randrange(len(odd))] = damage.randrange(256)
        try:
            HOLD[form](bytes(odd), 3, 30_000)
        except (TooLarge, *MALFORMED):
            continue
