"""What other features are worth to a model: it is trained on those of each variant."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import polars as pl

from pipeline.errors import ModelError, PipelineError, SnapshotError
from pipeline.modeling.audit.guard import learnable_features, without_leaks
from pipeline.modeling.data import (
    Features,
    parts,
    published_features,
    spans_of,
    windows_of,
)
from pipeline.modeling.fit.loss import mean_error
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.slices import resampling_of
from pipeline.modeling.predictor import target_of
from pipeline.modeling.records import span
from pipeline.modeling.settings import WINDOW, ModelConfig, ModelingSettings, Slices
from pipeline.modeling.train import train_as, train_windows
from pipeline.modeling.tune import best_params
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import open_store, read_runs
from pipeline.snapshots.variants import Variant

PRESENT = "as published"
"""What the published features are called among variants."""


@dataclass(frozen=True)
class Ranking:
    """Variants side by side with the published features, the best first."""

    table: pl.DataFrame
    """`variant`; `value`, the error on the rows it shares with the published features;
    `difference`, how much more that is than theirs on these rows, `lower` and `upper`,
    its 95 % interval (null of what is published); `n_rows`."""
    judged: str
    """The periods that judge."""
    study: str | None
    """Where the parameters of all are from; None: the YAML."""
    left_out: dict[str, PipelineError]
    """Variants that cannot be compared, and why."""


@dataclass(frozen=True)
class _Recipe:
    """What is the same for all."""

    model: str
    config: ModelConfig
    study: str | None

    def renamed(self, names: Mapping[str, str]) -> "_Recipe":
        """Let parameters that name columns name those in their place."""
        params = {
            key: [names.get(str(item), item) for item in cast("list[Any]", value)]
            if isinstance(value, list)
            else value
            for key, value in self.config.params.items()
        }
        config = msgspec.structs.replace(self.config, params=params)
        return dataclasses.replace(self, config=config)


def rank_variants(
    settings: ModelingSettings,
    model: str,
    variants: Sequence[Variant],
    load: Callable[[Variant], ModelingSettings],
) -> Ranking:
    """Train a model on each variant's features, and compare it with the published ones.

    It has the same parameters, seed and periods everywhere, and is judged on the
    validation periods of every window of the backtest, from which only intervals
    learn: the test periods are left to judge what is adopted. `load` gives
    the settings with a variant's values.

    Raises
    ------
    SnapshotError
        If there is no variant.
    """
    if not variants:
        raise SnapshotError(
            "there are no variants to judge\n"
            "hint: `just sweep PATH=VALUE,VALUE` makes some"
        )
    present = learnable_features(settings)
    recipe = _Recipe(model, *best_params(settings, model, present))
    run = read_runs(open_store(settings.root))[-1]
    files = [file.sha256 for file in run.files]
    published = _predictions(settings, present, recipe)
    judged = {PRESENT: published}
    left_out: dict[str, PipelineError] = {}
    for variant in variants:
        try:
            if [file.sha256 for file in variant.run.files] != files:
                raise _unlike(variant, "of other data than is published")
            names = in_place_of(run, variant.run)
            own = _renamed(load(variant), names)
            features = published_features(own, variant.run)
            features = without_leaks(own, features, variant.run)
            rows = _predictions(own, features, recipe.renamed(names))
            _require_alike(variant, rows, published, settings)
            judged[variant.name] = rows
        except PipelineError as error:
            left_out[variant.name] = error
    windows = published[WINDOW].unique().sort().to_list()
    table = _table(judged, settings)
    return Ranking(table, " and ".join(windows), recipe.study, left_out)


def in_place_of(before: RunRecord, now: RunRecord) -> dict[str, str]:
    """Name what is made in one run as a column was in another, where the name is new.

    So ``x_lag2`` is in the place of ``x_lag1`` if the same stage makes it of the same
    columns; of several, the first.
    """
    made = _made(now)
    return {
        column: made[how][0]
        for how, columns in _made(before).items()
        for column in columns
        if how in made and column not in made[how]
    }


def gone_columns(
    settings: ModelingSettings, before: RunRecord, now: RunRecord
) -> dict[str, str]:
    """Name the columns that settings still name, and those now in their place."""
    modeling = settings.modeling
    sizes = [modeling.slices.size] if modeling.slices.size else []
    cut = [name for names in modeling.slices.cut.values() for name in names]
    named = {*modeling.past, *modeling.leaks, *sizes, *cut, *modeling.slices.columns}
    found = in_place_of(before, now).items()
    return {column: other for column, other in found if column in named}


def _made(run: RunRecord) -> dict[tuple[str, frozenset[Any]], list[str]]:
    """Group the columns that stages add by stage, and by what they are made of."""
    edges: dict[tuple[str, str | None], set[Any]] = {}
    for stage, column, *of in run.lineage:
        edges.setdefault((stage, column), set()).add(tuple(of))
    columns = {stage.name: [name for name, _ in stage.columns] for stage in run.stages}
    made: dict[tuple[str, frozenset[Any]], list[str]] = {}
    for stage in run.stages:
        given = {name for i in stage.inputs for name in columns.get(i, ())}
        for column in columns[stage.name]:
            if column not in given and (of := edges.get((stage.name, column))):
                made.setdefault((stage.name, frozenset(of)), []).append(column)
    return made


def _renamed(settings: ModelingSettings, names: Mapping[str, str]) -> ModelingSettings:
    """Let settings name a variant's columns; slices are of no use here."""
    modeling = settings.modeling
    past = [names.get(column, column) for column in modeling.past]
    leaks = [names.get(column, column) for column in modeling.leaks]
    renamed = msgspec.structs.replace(modeling, past=past, leaks=leaks, slices=Slices())
    return dataclasses.replace(settings, modeling=renamed)


def _predictions(
    settings: ModelingSettings, features: Features, recipe: _Recipe
) -> pl.DataFrame:
    """Lay what the model predicts of the validation rows beside what came."""
    modeling = settings.modeling
    windows = windows_of(features.periods(modeling), modeling)
    newest = train_as(settings, features, recipe.model, recipe.config, recipe.study)
    trained = train_windows(settings, newest, windows)
    df = features.read(modeling)
    found: list[pl.DataFrame] = []
    for window, training in zip(windows, trained, strict=True):
        _, valid, _ = parts(df, window)
        found.append(
            valid.select(
                *modeling.key,
                pl.lit(span(spans_of(df, window).written()["valid"])).alias(WINDOW),
                pl.Series("y", target_of(valid, modeling.target)),
                training.load().predict(valid)["prediction"],
            )
        )
    return pl.concat(found)


def _require_alike(
    variant: Variant,
    rows: pl.DataFrame,
    published: pl.DataFrame,
    settings: ModelingSettings,
) -> None:
    """Refuse to compare what is of other periods, or of another target."""
    key = [*settings.modeling.key, WINDOW]
    if {*rows[WINDOW]} != {*published[WINDOW]}:
        raise _unlike(variant, "judged on other periods than what is published")
    shared = rows.join(published, on=key, nulls_equal=True)
    if (
        shared.is_empty()
        or shared.filter(pl.col("y").ne_missing(pl.col("y_right"))).height
    ):
        raise _unlike(variant, "of other rows, or of another target")


def _unlike(variant: Variant, why: str) -> ModelError:
    """Say why a variant is not compared."""
    return ModelError(
        f"variant '{variant.name}': {why}\n"
        "hint: the command that made it makes it of the data of now; what has another"
        " target, or other periods, is another question"
    )


def _table(judged: dict[str, pl.DataFrame], settings: ModelingSettings) -> pl.DataFrame:
    """Compare with the published features, cluster by cluster."""
    modeling = settings.modeling
    published = judged[PRESENT]
    error = (published["y"] - published["prediction"]).to_numpy()
    first = pl.DataFrame(
        {
            "variant": [PRESENT],
            "value": [mean_error(error, modeling.metric)],
            "difference": [0.0],
            "n_rows": [published.height],
        }
    )
    if len(judged) == 1:
        return first.with_columns(lower=None, upper=None)
    named = [
        df.select(pl.lit(name).alias("model"), pl.all()) for name, df in judged.items()
    ]
    others = compare(
        pl.concat(named, how="vertical_relaxed"),
        PRESENT,
        modeling.metric,
        dataclasses.replace(resampling_of(modeling), slices=()),
        key=[*modeling.key, WINDOW],
    ).select(
        variant="reference",
        value="reference_value",
        difference=-pl.col("difference"),
        lower=-pl.col("upper"),
        upper=-pl.col("lower"),
        n_rows=pl.col("n_rows").cast(pl.Int64),
    )
    table = pl.concat([first, others], how="diagonal_relaxed")
    return table.sort("difference", "variant")
