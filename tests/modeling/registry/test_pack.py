"""What is packed is text, names no place, and holds what is needed only."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl

from pipeline.modeling.bundle.bundle import stages_of
from pipeline.modeling.registry import pack
from pipeline.modeling.registry.pack import without_places
from pipeline.modeling.registry.registry import REQUIREMENTS
from pipeline.modeling.settings import load_modeling
from tests.conftest import PROJECT
from tests.modeling.conftest import Packed, champion_folder


def test_nothing_in_a_bundle_is_a_pickle_or_names_a_place(promoted: Path) -> None:
    folder = champion_folder(promoted)
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert len(files) > 50
    kinds = {path.suffix for path in files}
    texts = {".py", ".json", ".yaml", ".txt", ".md", ".j2", ".sql", ".typed", ""}
    texts |= {".css", ".js", ".bash", ".fish", ".zsh"}  # of pages, and for shells
    assert kinds <= {*texts, ".parquet"}
    # Protocol 2 and later of pickle begin so; text and Parquet do not.
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]
    assert str(promoted) not in (folder / "artifacts/bundle/bundle.json").read_text()
    lines = (folder / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in lines} == {
        *REQUIREMENTS,
        "scipy",
    }
    assert all("==" in line for line in lines)


def test_stages_that_a_profile_takes_out_are_in_no_bundle() -> None:
    words = ("stages.drgs=null", "stages.facilities=null", "checks.features=null")
    settings = load_modeling(PROJECT, overrides=words)
    names = [stage.name for stage in settings.pipeline.stages]
    stages, contract = stages_of(without_places(settings), names, "discharges", None)
    assert [stage.name for stage in stages] == names
    assert contract == settings.pipeline.contracts["discharges"]


def test_the_context_holds_the_years_that_are_needed_only(packed: Packed) -> None:
    context = pl.read_parquet(packed.bundle.folder / "context.parquet")
    # 2009 tells which categories are rare, the last two the rest.
    assert context["year"].unique().sort().to_list() == [2009, 2016, 2017]


NEEDED_PERIODS = pack._needed_periods  # what tests of bundles do without


def test_periods_that_are_needed_are_found_by_few_rows() -> None:
    asked: list[int] = []

    def next_features(lf: pl.LazyFrame) -> pl.DataFrame:
        panel = lf.collect()
        asked.append(panel.height)
        return panel.filter(pl.col("t").is_in([0, 97, 98, 99]))

    record = SimpleNamespace(horizon=SimpleNamespace(time="t"))
    bundle: Any = SimpleNamespace(record=record, next_features=next_features)
    panel = pl.DataFrame({"t": range(100)})
    kept = NEEDED_PERIODS(bundle, panel)
    assert kept["t"].to_list() == [0, 97, 98, 99]
    assert sum(asked) < 1.5 * panel.height  # as a whole one says what is wanted
