"""Why a forecast is what it is: features, contributions, interval, and the way down."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import LineageError, ModelError, SnapshotError
from pipeline.modeling.bundle.bundle import Bundle, load_bundle
from pipeline.modeling.contributions import Contribution, Explained, explained
from pipeline.modeling.data import read_rows
from pipeline.modeling.registry.registry import Version, bundle_of, versions
from pipeline.modeling.settings import STEP, Modeling, ModelingSettings
from pipeline.snapshots.records import PREDICTIONS, RunRecord
from pipeline.snapshots.store import Store
from pipeline.why.show import lines, plain, table
from pipeline.why.why import Why, find_row, read_words, scan_object, why_of_row

_N_BIGGER, _MOST_ROWS, _MOST_FOLLOWED = 3, 20, 5


@dataclass(frozen=True, kw_only=True)
class WhyPrediction(Explained):
    """A published prediction, what it is made of, and where that comes from."""

    unit: str
    version: str
    model: str
    fitted_through: int | str
    run_id: str
    rank: int
    """Of the predictions of the period, the largest is 1."""
    bigger: Sequence[Mapping[str, Any]]
    """The nearest that are larger, the nearest first."""
    largest: Why | None
    """The target's past, or else the feature that contributes most of those that are
    made of rows of a source, followed down."""
    not_followed: str
    """Why it is not."""


def why_prediction(
    settings: ModelingSettings, store: Store, run: RunRecord, words: Sequence[str]
) -> WhyPrediction:
    """Explain a published prediction, named by the key of its row.

    Raises
    ------
    LineageError
        If there are no predictions, or not one row of the key.
    ModelError
        If the version that made it is not registered any more, or would now predict
        something else.
    """
    found = [s for s in run.snapshots if s.name == PREDICTIONS]
    if not found:
        raise LineageError(
            f"why: run {run.run_id} has no '{PREDICTIONS}'\n"
            "hint: `just forecast` makes them of the champion"
        )
    published, modeling = found[0], settings.modeling
    column, key = read_words(words)
    if column not in (None, "prediction"):
        raise LineageError(
            f"why: of '{PREDICTIONS}', expected the column 'prediction' or none, found"
            f" {column}"
        )
    rows = scan_object(store, published)
    row = find_row(rows, published, {"target": modeling.target} | key)
    at = row.row(0, named=True)
    version = _version(settings, at["model_version"])
    bundle = load_bundle(bundle_of(version), settings.root)
    features = _features(settings, store, run, bundle, at)
    if features is None:
        raise ModelError(
            f"{version.uri}: predicts something else than is published, by the code and"
            " rows of now\nhint: `just forecast` publishes what it predicts"
        )
    made = explained(bundle.predictor, features, modeling.key)
    wanted = {name: at[name] for name in modeling.key}
    rank, bigger = _bigger(rows, modeling, at)
    ways = [*([made.past] if made.past else []), *made.contributions[:_MOST_FOLLOWED]]
    largest, reason = _followed(settings, store, run, wanted, ways)
    of: dict[str, Any] = vars(made) | {"key": wanted, "prediction": at["prediction"]}
    return WhyPrediction(
        **of,
        unit=modeling.unit,
        version=f"{version.name} version {version.number}",
        model=bundle.record.model,
        fitted_through=bundle.record.fitted_through,
        run_id=run.run_id,
        rank=rank,
        bigger=bigger,
        largest=largest,
        not_followed=reason,
    )


def _features(
    settings: ModelingSettings,
    store: Store,
    run: RunRecord,
    bundle: Bundle,
    at: Mapping[str, Any],
) -> pl.DataFrame | None:
    """Make the features of a prediction again; None if that comes out otherwise.

    Of the published panel, which saves most of the work, or where the champion's stages
    make another, of the source's rows.
    """
    names = bundle.record.others
    bundle = bundle.beside({n: read_rows(settings.pipeline, n) for n in names})
    is_it = [pl.col(name).eq_missing(at[name]) for name in settings.modeling.key]

    def same(panel: pl.LazyFrame) -> pl.DataFrame | None:
        features = bundle.next_features(panel).filter(is_it)
        if features.height != 1:
            return None
        value = bundle.predictor.point(features)[0]
        return features if np.isclose(value, at["prediction"], rtol=1e-9) else None

    for snapshot in run.snapshots:
        if snapshot.name == bundle.record.horizon.panel:
            with suppress(PolarsError, ModelError):
                found = same(scan_object(store, snapshot))
                if found is not None:
                    return found
    return same(bundle.panel_of(read_rows(settings.pipeline)).lazy())


def _version(settings: ModelingSettings, number: int) -> Version:
    """Find the version that made a forecast; a ModelError if it is gone or changed."""
    for version in versions(settings.root, settings.modeling.name):
        if version.number == number:
            version.hold()
            return version
    raise ModelError(
        f"{settings.modeling.name}: version {number}, which made the forecast, is not"
        " registered any more\nhint: `just forecast` makes one of the champion"
    )


def _bigger(
    rows: pl.LazyFrame, modeling: Modeling, at: Mapping[str, Any]
) -> tuple[int, list[dict[str, Any]]]:
    """Say how many predictions of the period are larger, and which are the nearest."""
    same = [pl.col(name) == at[name] for name in modeling.asked]
    above = rows.filter(*same, pl.col("prediction") > at["prediction"])
    nearest = above.sort("prediction", *modeling.key).head(_N_BIGGER)
    shown = nearest.select(*modeling.key, "prediction").collect().to_dicts()
    return 1 + above.select(pl.len()).collect().item(), shown


def _followed(
    settings: ModelingSettings,
    store: Store,
    run: RunRecord,
    key: Mapping[str, Any],
    ways: Sequence[Contribution],
) -> tuple[Why | None, str]:
    """Follow the first feature of a period to come that leads down to a source.

    One of the calendar has no rows there.
    """
    if STEP in key:
        return None, "features of several periods ahead are no snapshot"
    asked = settings.pipeline, store, run, settings.modeling.features, key
    for one in ways:
        try:
            found = why_of_row(*asked, one.feature, one.value)
        except (LineageError, SnapshotError) as error:
            return None, str(error).partition("\n")[0]
        if any(rows.height for rows in found.sources.values()):
            return found, ""
    return None, "none of the largest is made of rows of a source"


def show_prediction(found: WhyPrediction, format_: str, *, every_row: bool) -> str:
    """Write it as a table, JSON or Markdown; see `pipeline.why.show.show`."""
    if format_ == "json":
        of = {k: v for k, v in vars(found).items() if k != "largest"}
        of["contributions"] = [asdict(one) for one in found.contributions]
        of["past"] = found.past and asdict(found.past)
        of["interval"] = asdict(found.interval)
        of["largest"] = found.largest and plain(found.largest, every_row=every_row)
        return json.dumps(of, indent=2, default=str)
    return "\n".join(_lines(found, every_row=every_row, is_markdown=format_ == "md"))


def _lines(
    found: WhyPrediction, *, every_row: bool, is_markdown: bool
) -> Iterator[str]:
    """Write it for people."""
    head, most = "## " if is_markdown else "", sys.maxsize if every_row else _MOST_ROWS
    of = ", ".join(f"{name}={value}" for name, value in found.key.items())
    unit, interval = found.unit, found.interval
    yield f"{head}prediction = {found.prediction!r} {unit}".rstrip() + f"  ({of})"
    yield (
        f"by {found.version} ({found.model}, fitted through {found.fitted_through}), in"
        f" run {found.run_id}"
    )
    larger = "the largest of its period"
    if found.bigger:
        larger = f"number {found.rank:,} of its period; the next larger:"
    yield ""
    yield larger
    if found.bigger:
        bigger = pl.DataFrame(found.bigger)
        yield from table(bigger, most, is_markdown=is_markdown)
    yield ""
    yield from base_lines(found)
    added = pl.DataFrame(
        [(c.feature, str(c.value), c.amount) for c in found.contributions],
        {"feature": pl.String, "value": pl.String, "adds": pl.Float64},
        orient="row",
    )
    yield from table(added, most, is_markdown=is_markdown)
    yield ""
    first, last = interval.sizes
    upto = "and more" if last is None else f"to {last:,.4g}"
    yield f"interval {interval.lower!r} to {interval.upper!r}"
    yield (
        f"  the model's own: {interval.own_lower!r} to {interval.own_upper!r}; moved by"
        f" {interval.lower_moved:+,.6g} and {interval.upper_moved:+,.6g}, as for"
        f" predictions of {first:,.4g} {upto}"
    )
    yield ""
    if found.largest is None:
        yield f"not followed down: {found.not_followed}"
    else:
        yield from lines(found.largest, every_row=every_row, is_markdown=is_markdown)


def base_lines(found: WhyPrediction) -> Iterator[str]:
    """Say what contributions are added to."""
    past, unit = found.past, f", in units of {found.fitted}:" if found.fitted else ":"
    if past is None or found.fitted:
        if past is not None:
            yield f"grown from its past, {past.feature} = {past.value:,.6g}"
        yield f"base {found.base!r}, and what features add{unit}"
        return
    yield f"from its past, {past.feature} = {past.value:,.6g}"
    yield f"usual growth {found.base - past.amount:+,.6g}, and what features add:"
