"""Files are answered together, part by part, as all of their rows at once are."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.engine.parts import work
from pipeline.errors import ModelError
from pipeline.modeling.bundle import parts
from pipeline.modeling.bundle.bundle import Bundle
from pipeline.modeling.bundle.parts import answer_files
from pipeline.plan.settings import EngineSettings
from tests.modeling.conftest import Packed


def answered(
    bundle: Bundle, frames: Sequence[pl.DataFrame], folder: Path
) -> tuple[list[pl.DataFrame], list[str]]:
    """Answer frames as files, in three parts."""
    (folder / "work").mkdir()
    files = [folder / f"{i}.parquet" for i in range(len(frames))]
    for file, frame in zip(files, frames, strict=True):
        frame.write_parquet(file)
    engine = EngineSettings(partitions=3)
    warnings = answer_files(bundle, files, folder / "work", engine, alone=False)
    made = [pl.read_parquet(folder / "work" / "made" / file.name) for file in files]
    return made, warnings


def test_files_get_what_all_their_rows_get_at_once(
    packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Entities have rows in all files, and in all batches that are read at once.
    for module in (parts, work):
        monkeypatch.setattr(module, "_BATCH", 1 << 13)
    rows = packed.rows.sample(fraction=1, shuffle=True, seed=2)
    # Other values than in the training's panel, which features compare with.
    rows = rows.with_columns(pl.col("Mean Cost") * 1.5)
    frames = [rows[:9000], rows[9000:9000], rows[9000:16000], rows[16000:]]
    made, warnings = answered(packed.bundle, frames, tmp_path)
    expected, of_all = packed.bundle.answer(rows)
    assert [df.height for df in made] == [df.height for df in frames]
    assert expected["prediction"].count() > 1000
    assert_frame_equal(pl.concat(made), expected, check_exact=True)
    assert warnings == of_all


def test_rows_that_break_the_contract_are_refused(
    packed: Packed, tmp_path: Path
) -> None:
    twice = [packed.rows[:100], packed.rows[50:]]
    with pytest.raises(ModelError) as error:
        answered(packed.bundle, twice, tmp_path)
    with pytest.raises(ModelError) as of_all:
        packed.bundle.answer(pl.concat(twice))
    assert str(error.value) == str(of_all.value)
