"""Published forecasts, kept until their periods have come, with what came of them.

Below ``.pipeline/forecasts/<name>/<first period>-<version>-<fingerprint>/``::

    forecast.json         whose it is, and which of its periods have come
    predictions.parquet   as they were published
    outcomes.parquet      what came, beside what was predicted and what baselines say
    scores.parquet        how good it was
    manifest.json         hashes of these

Runs let their objects go before a year has passed.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl

from pipeline.files.manifest import manifest_changes, write_manifest
from pipeline.files.parquet import read_parquet
from pipeline.files.state import State
from pipeline.log import LOG
from pipeline.modeling.records import new_folder
from pipeline.modeling.registry.registry import Version, packed
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.panel.periods import parsed, written

_RECORD = "forecast.json"
_PREDICTIONS = "predictions"


class ForecastRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Whose forecast it is."""

    name: str
    """Of the registered model."""
    version: int
    fingerprint: str
    """Of the trained model."""
    model: str
    run_id: str
    """The run that published it."""
    kept_at: datetime
    profile: str | None
    target: str
    unit: str
    coverage: float
    """Nominal, of its intervals."""
    fitted_through: int | str
    """The last period that the version has learned from."""
    periods: list[int | str]
    """That are predicted, in order."""
    scored: dict[str, str] = {}
    """A hash of the outcomes, by each period that has come."""


class KeptForecast(msgspec.Struct, frozen=True):
    """A forecast in its folder."""

    folder: Path
    record: ForecastRecord

    def table(self, name: str) -> pl.DataFrame | None:
        """Read ``predictions``, ``outcomes`` or ``scores``, if it is there."""
        path = self.folder / f"{name}.parquet"
        return read_parquet(path) if path.exists() else None

    @property
    def predictions(self) -> pl.DataFrame:
        """Read what was published."""
        return read_parquet(self.folder / f"{_PREDICTIONS}.parquet")


def keep_forecast(
    settings: ModelingSettings, version: Version, predictions: pl.DataFrame
) -> None:
    """Keep a published forecast until its periods have come, unless it is kept.

    Of two of a version and the same periods, the later one stays, until the first has
    outcomes. Periods that the version has learned from are left out: to know them is no
    forecast.
    """
    modeling, known = settings.modeling, packed(version)
    dtype = predictions.schema[modeling.time]
    learned = pl.lit(parsed(known.fitted_through, dtype), dtype)
    honest = predictions.filter(pl.col(modeling.time) > learned)
    if honest.is_empty():
        return
    periods = [written(t) for t in honest[modeling.time].unique().sort().to_list()]
    first = re.sub(r"[^\w-]", "", str(periods[0]))
    name = f"{first}-{version.number}-{version.fingerprint[:8]}"
    folder = State(settings.root).forecasts / version.name / name
    there = read_forecast(folder)
    run_id = honest["run"][0]
    if there and (there.record.scored or there.record.run_id == run_id):
        return
    made_with = known.tree.get("modeling", {})
    record = ForecastRecord(
        name=version.name,
        version=version.number,
        fingerprint=version.fingerprint,
        model=known.model,
        run_id=run_id,
        kept_at=datetime.now(UTC),
        profile=settings.pipeline.profile,
        target=modeling.target,
        unit=modeling.unit,
        fitted_through=known.fitted_through,
        coverage=made_with.get("coverage", modeling.coverage),
        periods=periods,
    )
    write_forecast(folder, record, {_PREDICTIONS: honest})


def write_forecast(
    folder: Path, record: ForecastRecord, tables: dict[str, pl.DataFrame]
) -> KeptForecast:
    """Write a forecast whole, in place of what was in its folder."""
    with new_folder(folder) as partial:
        for name, table in tables.items():
            table.write_parquet(partial / f"{name}.parquet")
        (partial / _RECORD).write_bytes(msgspec.json.encode(record))
        write_manifest(partial)
    return KeptForecast(folder, record)


def read_forecast(folder: Path) -> KeptForecast | None:
    """Read a forecast that is whole; say so if it is not."""
    if not folder.is_dir():
        return None
    if faults := manifest_changes(folder):
        LOG.warning("%s: %s: it is left out", folder, "; ".join(faults))
        return None
    text = (folder / _RECORD).read_bytes()
    return KeptForecast(folder, msgspec.json.decode(text, type=ForecastRecord))


def all_forecasts(root: Path) -> list[KeptForecast]:
    """List what is kept, by name, first period and version."""
    folders = sorted(State(root).forecasts.glob("*/[!.]*"))
    found = [kept for folder in folders if (kept := read_forecast(folder))]
    return sorted(found, key=lambda kept: (kept.record.name, *_order(kept.record)))


def own_forecasts(
    root: Path, modeling: Modeling, profile: str | None
) -> list[KeptForecast]:
    """List those of a name, target and profile."""
    wanted = (modeling.name, modeling.target, profile)
    return [
        kept
        for kept in all_forecasts(root)
        if (kept.record.name, kept.record.target, kept.record.profile) == wanted
    ]


def _order(record: ForecastRecord) -> tuple[int, str, int]:
    """Sort forecasts of a name by their first period, 9 before 10."""
    first = str(record.periods[0])
    return len(first), first, record.version
