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
from pipeline.run.timed import Job, Timed
from pipeline.run.times import StageTime, describe, keep, time_alone, time_stages
from tests.run.conftest import query
from tests.why.conftest import Shop

JOINED = StageTime(
    "joined",
    "join",
    Timed(0.25, 0.125, 94, 3_000, 2_999, 7, 2),
    "",
    [("equi-join", "8.20ms", 3_000, 2_999), ("select", "1.10ms", 2_999, 2_999)],
)


@pytest.mark.slow
def test_a_stage_is_timed_of_the_rows_of_its_inputs(now: Now) -> None:
    [joined] = time_stages(now, ["joined"])
    n_rows = now.rows("joined").lf.collect().height
    assert (joined.timed.n_rows_in, joined.timed.n_rows) == (n_rows, n_rows)
    assert joined.timed.n_columns == len(now.wanted.plan.schema("joined"))
    assert (joined.transform, joined.fingerprint[:1].isalnum()) == ("join", True)
    assert "equi-join" in {node for node, *_ in joined.nodes}


@pytest.mark.slow
def test_stages_one_after_the_other_are_timed_of_each_others_rows(now: Now) -> None:
    names = ["source", "sanitize_column_names", "revenue", "large"]
    times = time_stages(now, names)
    assert [one.stage for one in times] == names
    n_rows = [now.rows(name).lf.collect().height for name in names]
    assert [one.timed.n_rows for one in times] == n_rows
    assert [one.timed.n_rows_in for one in times] == [None, *n_rows[:-1]]
    assert not any(one.nodes for one in times)


@pytest.mark.slow
def test_memory_is_that_of_the_rows_and_not_of_whoever_asks() -> None:
    ours = bytearray(b"1" * (300 << 20))
    lf = pl.select(x=pl.int_range(4 << 20, eager=False)).lazy()
    job = Job(None, [lf.serialize()], (), None, shows_nodes=False)
    timed, _ = time_alone("x", job)
    assert (timed.n_rows, timed.n_rows_in) == (4 << 20, None)
    assert 32 <= timed.memory_mib < 200 < len(ours) >> 20


def test_the_last_times_of_each_stage_are_in_the_catalog(
    shop: Shop, tmp_path: Path
) -> None:
    root = shutil.copytree(shop.settings.root, tmp_path / "p", symlinks=True)
    now = look_now(load_settings(root))
    gone, other = (replace(JOINED, stage=name) for name in ("gone", "rolled"))
    keep(now, [JOINED, gone, other])
    again = msgspec.structs.replace(other.timed, seconds=7.5)
    keep(now, [replace(other, timed=again)])
    rows = query(root, "select stage, n_rows, seconds from meta.stage_times order by 1")
    assert rows == [("joined", 2_999, 0.25), ("rolled", 2_999, 7.5)]


def test_times_are_told_in_lines() -> None:
    header, line, _, title, *nodes = describe([JOINED])
    assert header.split()[:4] == ["stage", "seconds", "CPU", "s"]
    assert line.split() == ["joined", "0.250", "0.125", "3,000", "2,999", "7", "94"]
    assert "nodes in Polars" in title
    assert nodes[1].split() == ["equi-join", "8.20ms", "3,000", "2,999"]
    assert len(describe([replace(JOINED, nodes=())])) == 2


@pytest.mark.slow
def test_a_stage_that_cannot_be_computed_is_named(shop: Shop) -> None:
    root = shop.settings.root
    now = look_now(load_settings(root, overrides=("joined.keys=[store]",)))
    with pytest.raises(PipelineError, match="stage 'joined': cannot be timed\nfound: "):
        time_stages(now, ["joined"])
