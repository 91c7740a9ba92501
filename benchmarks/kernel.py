"""A fixed piece of work to hold CPU times against: what the machine does in a moment.

It reads CSV, joins, groups, sorts and shifts random data, in Polars on one thread, and
shares no code with the pipeline nor with the pandas twins. The same engine feels a busy
machine's caches and memory as ours does; NumPy's sort felt them less. In return, a
Polars that became slower shows against pandas alone.
"""

import io
from collections.abc import Callable

import numpy as np
import polars as pl

_N, _N_KEYS = 45_000, 12_000


def kernel() -> Callable[[], pl.DataFrame]:
    """Prepare the kernel; each call takes about 30 ms."""
    generator = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "key": generator.integers(0, _N_KEYS, _N),
            "group": [f"group {i}" for i in generator.integers(0, 200, _N)],
            "value": generator.random(_N),
        }
    )
    csv = table.write_csv().encode()
    weights = pl.LazyFrame(
        {"key": np.arange(_N_KEYS), "weight": generator.random(_N_KEYS)}
    )

    def run() -> pl.DataFrame:
        return (
            pl.scan_csv(io.BytesIO(csv))
            .join(weights, on="key")
            .group_by("key", "group")
            .agg(pl.col("value").sum(), pl.col("weight").max())
            .sort("key", "group")
            .with_columns(pl.col("value").shift().over("key").alias("before"))
            .collect(engine="streaming")
        )

    return run
