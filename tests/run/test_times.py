"""What stages take is measured of each alone, and kept."""

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.plan.settings import load_settings
from pipeline.run.rows import Now, look_now
from pipeline.run.timed import Job
from pipeline.run.times import StageTime, describe, keep, time_alone, time_stages
from tests.run.conftest import query
from tests.why.conftest import Shop


@pytest.fixture(scope="module")
def joined(now: Now) -> StageTime:
    """What a stage of two inputs took."""
    [found] = time_stages(now, ["joined"])
    return found


def test_a_stage_is_timed_of_the_rows_of_its_inputs(
    now: Now, joined: StageTime
) -> None:
    n_rows = now.rows("joined").lf.collect().height
    assert (joined.timed.n_rows_in, joined.timed.n_rows) == (n_rows, n_rows)
    assert joined.timed.n_columns == len(now.wanted.plan.schema("joined"))
    assert (joined.transform, joined.fingerprint[:1].isalnum()) == ("join", True)
    assert "equi-join" in {node for node, *_ in joined.nodes}


def test_memory_is_that_of_the_rows_and_not_of_whoever_asks() -> None:
    ours = bytearray(b"1" * (300 << 20))
    lf = pl.select(x=pl.int_range(4 << 20, eager=False)).lazy()
    job = Job(None, [lf.serialize()], (), None, shows_nodes=False)
    timed, _ = time_alone("x", job)
    assert (timed.n_rows, timed.n_rows_in) == (4 << 20, None)
    assert 32 <= timed.memory_mib < 200 < len(ours) >> 20


def test_the_last_times_of_each_stage_are_in_the_catalog(
    shop: Shop, joined: StageTime, tmp_path: Path
) -> None:
    root = shutil.copytree(shop.settings.root, tmp_path / "p", symlinks=True)
    now = look_now(load_settings(root))
    gone, other = (replace(joined, stage=name) for name in ("gone", "rolled"))
    keep(now, [joined, gone, other])
    again = msgspec.structs.replace(other.timed, seconds=7.5)
    keep(now, [replace(other, timed=again)])
    rows = query(root, "select stage, n_rows, seconds from meta.stage_times order by 1")
    timed = joined.timed
    assert rows == [
        ("joined", timed.n_rows, timed.seconds),
        ("rolled", timed.n_rows, 7.5),
    ]


def test_times_are_told_in_lines(joined: StageTime) -> None:
    header, line, _, title, _, first, *_ = describe([joined])
    assert header.split()[:3] == ["stage", "seconds", "CPU"]
    assert line.split()[0] == "joined"
    assert f"{joined.timed.n_rows:,}" in line
    assert "nodes in Polars" in title
    assert first.split()[0] == joined.nodes[0][0]


def test_a_stage_that_cannot_be_computed_is_named(shop: Shop) -> None:
    root = shop.settings.root
    now = look_now(load_settings(root, overrides=("joined.keys=[store]",)))
    with pytest.raises(PipelineError, match="stage 'joined': cannot be timed\nfound: "):
        time_stages(now, ["joined"])
