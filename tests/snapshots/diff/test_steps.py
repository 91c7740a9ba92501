"""Steps of a snapshot add up, whatever their columns hold."""

import json
from pathlib import Path

import polars as pl

from pipeline.snapshots.diff.steps import Cause, diff_steps, show

NAN = float("nan")


def test_sums_are_exact_and_none_where_there_is_none(tmp_path: Path) -> None:
    frames = [
        {
            "k": [1, 2],
            "n": [2**63 - 1, 2**63 - 1],
            "u": [2**63, 2**63],
            "x": [0.1, 0.2],
            "odd": [NAN, 1.0],
        },
        {"k": [1, 2], "n": [2**63 - 1, 1], "x": [0.1, None], "odd": [1.0, 1.0]},
        {"k": [1, 3], "n": [2**63 - 1, 1], "x": [1e16, 0.2], "text": ["a", "b"]},
    ]
    paths = [tmp_path / f"{i}.parquet" for i in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        pl.DataFrame(frame).write_parquet(path)
    causes = [Cause(("code",), ()), Cause(("data",), ("source: is new",))]
    found = diff_steps("s", ("a", "b"), ["k"], paths, causes, ["a note"])
    first, second = ({c.name: c for c in step.columns} for step in found.steps)
    whole = {c.name: c for c in found.whole.columns}
    assert (first["n"].sum_before, first["n"].sum_diff) == (2**64 - 2, 2 - 2**63)
    assert (first["odd"].sum_before, first["odd"].sum_diff) == (None, None)
    assert (first["odd"].n_changed, second["odd"].sum_diff) == (1, -2)
    assert first["x"].sum_after == second["x"].sum_before
    assert whole["n"].sum_diff == 2 - 2**63
    assert second["x"].sum_diff == 1e16 + 0.2 - 0.1
    assert "text" not in second
    assert [step.rows.added for step in found.steps] == [0, 1]
    assert json.loads(show(found, "json"))["notes"] == ["a note"]
    text = show(found, "text")
    assert "by data: +0 rows: 1 added, 1 removed, 1 changed" in text
    assert "  a note\n" in text
    assert "+ text String" in text


def test_what_one_cause_did_alone_stands_there_once(tmp_path: Path) -> None:
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    pl.DataFrame({"k": [1], "x": [1.5]}).write_parquet(old)
    pl.DataFrame({"k": [1], "x": [2.5]}).write_parquet(new)
    causes = [Cause(("code",), (), "a proof"), Cause(("data",), ())]
    found = diff_steps("s", ("a", "b"), ["k"], [old, old, new], causes, [])
    text = show(found, "text")
    assert text.count("sum before") == 1
    assert text.endswith("in all: +0 rows: 0 added, 0 removed, 1 changed\n")


def test_the_same_object_twice_is_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"k": [1], "x": [1.5]}).write_parquet(path)
    cause = Cause(("code",), (), "a proof")
    found = diff_steps("s", ("a", "b"), ["k"], [path, path], [cause], [])
    assert found.whole.is_nothing
    assert show(found, "text") == (
        "s: a -> b: equal\nnothing by code: a proof\nin all: no difference\n"
    )
