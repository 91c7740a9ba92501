"""The critical transformations, each beside its pandas twin, on inputs of their own.

``python -m benchmarks.cases CSV FOLDER`` writes the inputs: what the shipped pipeline
would give the stages, and a file in the dialect that needs repair. It prints the cases.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pandas as pd
import polars as pl

from benchmarks import pandas_origin, pandas_vectorised
from benchmarks.prepare import one_facility_in, require_equal
from benchmarks.processes import ROOT
from benchmarks.semantics import DEFAULT, KEY
from pipeline import sources
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings, load_settings

Ours = Callable[[], pl.DataFrame]
Twin = Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class StageCase:
    """Consecutive stages of the shipped pipeline, and their twin in pandas."""

    stages: tuple[str, ...]
    twin: Callable[[pd.DataFrame], pd.DataFrame]
    one_in: int
    """Takes the rows of one facility in so many of `prepare`'s, so that each case takes
    20 to 70 ms: long enough to be timed, and often."""

    suffix = "parquet"

    def given(self, plan: Plan) -> pl.LazyFrame:
        """Take the input from the pipeline: what the stages above give."""
        [name] = plan.nodes[self.stages[0]].stage.inputs
        return one_facility_in(plan.lf(name), "facility_id", self.one_in)

    def write(self, df: pl.DataFrame, path: Path) -> None:
        """Keep the input."""
        df.write_parquet(path)

    def load(self, settings: Settings, path: Path) -> tuple[Ours, Twin]:
        """Prepare both."""
        df = pl.read_parquet(path).rechunk()
        stages = {stage.name: stage for stage in settings.stages}

        def ours() -> pl.DataFrame:
            lf = df.lazy()
            for name in self.stages:
                stage = stages[name]
                lf = stage.apply(lf)
            return lf.collect(engine="streaming")

        pandas = df.to_pandas()
        return ours, lambda: self.twin(pandas)


@dataclass(frozen=True)
class CsvCase:
    """Reading a CSV file, clean or with money as ``$1,234.50``."""

    dialect: bool
    one_in: int

    suffix = "csv"

    def given(self, plan: Plan) -> pl.LazyFrame:
        """Take the rows from the source."""
        return one_facility_in(plan.source, "Facility Id", self.one_in)

    def write(self, df: pl.DataFrame, path: Path) -> None:
        """Write the file."""
        if self.dialect:
            df = df.with_columns(_dollars(df[column]) for column in _MONEY)
        df.write_csv(path)

    def load(self, settings: Settings, path: Path) -> tuple[Ours, Twin]:
        """Prepare both."""
        source = msgspec.structs.replace(settings.source, path=str(path.absolute()))

        def ours() -> pl.DataFrame:
            rows, _ = sources.scan(source, ROOT).frames()
            return rows.collect(engine="streaming")

        read = _read_dialect if self.dialect else pandas_origin.read_raw
        return ours, lambda: read(path)


_MONEY = ["Mean Charge", "Median Charge", "Mean Cost", "Median Cost"]


def _dollars(money: pl.Series) -> pl.Series:
    """Write money as people do."""
    cells = [None if value is None else f"${value:,.2f}" for value in money]
    return pl.Series(money.name, cells, dtype=pl.String)


def _read_dialect(path: Path) -> pd.DataFrame:
    """Read money as text, and clean it."""
    df = pandas_origin.read_raw(path)
    for column in (name.lower().replace(" ", "_") for name in _MONEY):
        df[column] = pd.to_numeric(df[column].str.replace("[$,]", "", regex=True))
    return df


CASES: dict[str, StageCase | CsvCase] = {
    "read_csv": CsvCase(dialect=False, one_in=4),
    "repair_dialect": CsvCase(dialect=True, one_in=32),
    "drop_rare_drgs": StageCase(
        ("drop_rare_drgs",),
        lambda df: pandas_vectorised.drop_rare_drgs(df, DEFAULT),
        one_in=1,
    ),
    "agg_severities": StageCase(
        ("agg_severities",), pandas_vectorised.agg_severities, one_in=8
    ),
    "ratio_and_bins": StageCase(
        ("ratio_drg_facility_vs_year", "yearly_discharge_bin"),
        lambda df: pandas_vectorised.yearly_discharge_bin(
            pandas_vectorised.ratio_drg_facility_vs_year(df, DEFAULT), DEFAULT
        ),
        one_in=1,
    ),
    "lag_and_rolling": StageCase(
        ("lag_columns", "rolling_columns"),
        lambda df: pandas_vectorised.rolling_columns(
            pandas_vectorised.lag_columns(df, DEFAULT), DEFAULT
        ),
        one_in=2,
    ),
}


def settings_of(csv: Path) -> Settings:
    """Load the shipped configuration, on a CSV file."""
    path = f"source.path={csv.absolute()}"
    return load_settings(ROOT, overrides=("source=csv", path))


def prepare(csv: Path, folder: Path) -> None:
    """Write the input of each case, from the rows of every other facility."""
    settings = settings_of(csv)
    rows, _ = sources.scan(settings.source, ROOT).frames()
    half = one_facility_in(rows, "Facility Id", 2).collect(engine="streaming")
    plan = compose(half.lazy(), settings.stages)
    frames = pl.collect_all(
        [case.given(plan) for case in CASES.values()], engine="streaming"
    )
    for (name, case), df in zip(CASES.items(), frames, strict=True):
        case.write(df, input_of(name, folder))


def input_of(name: str, folder: Path) -> Path:
    """Name the input of a case."""
    return folder / f"{name}.{CASES[name].suffix}"


def load(name: str, folder: Path) -> tuple[Ours, Twin]:
    """Read the input of a case; return what is timed, ours and the twin's."""
    return CASES[name].load(settings_of(folder), input_of(name, folder))


def compare(folder: Path) -> None:
    """Require equal results, to 1e-9."""
    for name in CASES:
        run, run_twin = load(name, folder)
        ours = run().rename(lambda column: column.lower().replace(" ", "_"))
        ours = ours.with_columns(pl.col(pl.String).fill_null(""))
        theirs = pl.from_pandas(run_twin()).fill_nan(None)
        assert set(theirs.columns) <= set(ours.columns), name
        # The key decides, but where rows of the source share it.
        order = [*KEY, *(name for name in theirs.columns if name not in KEY)]
        ours, theirs = (df.select(order).sort(order) for df in (ours, theirs))
        require_equal(theirs, ours)


if __name__ == "__main__":
    prepare(*map(Path, sys.argv[1:]))
    print(json.dumps(list(CASES)))
