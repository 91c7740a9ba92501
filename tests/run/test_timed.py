"""A stage is timed alone, and gives the rows it gives in a run."""

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from pipeline.run.rows import Now
from pipeline.run.timed import Job, read_rows, time_job, write_rows


def test_rows_are_read_back_as_they_were(tmp_path: Path) -> None:
    kinds = pl.Enum(["a", "b"])
    df = pl.DataFrame(
        {"x": [1, None], "kind": ["b", "a"], "text": ["\u00e9", None]},
        schema_overrides={"x": pl.Int8, "kind": kinds},
    )
    df = df.with_columns(pl.lit("2020-01-01").str.to_date().alias("day"))
    for i, rows in enumerate((df, df.clear())):
        write_rows(rows.lazy(), tmp_path / f"{i}")
        assert_frame_equal(read_rows(tmp_path / f"{i}", df.schema), rows)


def test_a_stage_gives_the_rows_it_gives_in_a_run(now: Now, tmp_path: Path) -> None:
    given, stage = now.rows("ranked"), now.wanted.plan.nodes["coverage"].stage
    write_rows(given.lf, tmp_path / "in")
    inputs = [(tmp_path / "in", given.lf.collect_schema())]
    timed = time_job(Job(stage, (), inputs, tmp_path / "out", shows_nodes=False))
    expected = now.rows("coverage").lf.collect()
    found = read_rows(tmp_path / "out", expected.schema)
    assert_frame_equal(found, expected, check_row_order=False)
    assert (timed.n_rows_in, timed.n_rows) == (given.lf.collect().height, found.height)
    assert timed.n_columns == found.width
    assert timed.seconds > 0
    assert timed.cpu_s > 0
