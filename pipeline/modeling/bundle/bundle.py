"""A model that can travel: raw rows in, predictions for the period after them out.

A bundle is a folder of plain files::

    bundle.json      columns, stages with their configuration, names
    predictor/       the model, fitted to all periods that are known
    judged/          the model that was judged: the same, fitted to the training periods
    context.parquet  the panel it was trained beside, as far as it is needed
    others/          the rows of the other sources that stages read, a file each

The stages run on the raw rows as they do in the pipeline, with the code that is packed
beside them. Rarity, bins and ratios are facts of the whole panel: so a request that
holds a part of it only is completed with the panel of the training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.config import refuse
from pipeline.contracts.checks import Check
from pipeline.contracts.contract import Contract
from pipeline.errors import ModelError, some
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG
from pipeline.modeling.bundle.prepared import Prepared, prepare
from pipeline.modeling.bundle.request import (
    beyond,
    checks_of,
    completed,
    counting,
    hold,
    is_part,
    part_of_the_panel,
    parts_of_clusters,
    refuse_a_part_of_the_panel,
    sizes_of,
    typed,
)
from pipeline.modeling.fit.drift import Learned, held
from pipeline.modeling.fit.intervals import TotalCalibrations
from pipeline.modeling.horizon import Horizon
from pipeline.modeling.predictor import Predictor, load_predictor
from pipeline.panel.composed import composed
from pipeline.panel.periods import Time
from pipeline.panel.unique import repeated
from pipeline.plan.compose import compose, compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Stage, check_contracts, check_stages
from pipeline.sources.columns import Declared, dtype_of


class BundleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is."""

    model: str
    fingerprint: str
    """Of the trained model."""
    features_fingerprint: str
    """Of the snapshot it learned from."""
    columns: dict[str, Declared]
    """The raw columns that the features are made of, or that are checked."""
    others: dict[str, dict[str, Declared]]
    """The columns of the other sources that stages read."""
    tree: dict[str, Any]
    """The resolved configuration."""
    stages: list[str]
    """Those of its stages that lead to the features."""
    horizon: Horizon
    cluster: str
    """Column of the entity whose values a period of the panel should have."""
    n_clusters: int
    """Of the last period of the context."""
    largest: dict[str, float]
    """By raw column of amounts, the largest one of the training's panel."""
    fitted_through: int | str
    """The last period that `predictor` has learned from."""
    totals: TotalCalibrations
    """How far totals were off in the test periods."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    folder: Path
    record: BundleRecord
    to_panel: Plan
    """The stages from raw rows to the panel."""
    rest: list[Plan]
    """Those from there to the features, of each step."""
    contract: Contract
    """Of the panel."""
    predictor: Predictor
    judged: Predictor
    """The same, fitted to the training periods: what it was judged by."""
    prepared: Prepared | None = None
    """What was made beforehand for requests; None of a bundle that answers few."""

    def beside(self, others: Mapping[str, pl.DataFrame]) -> "Bundle":
        """Answer by these rows of the other sources, not by those of the training.

        A ModelError if one is missing, lacks a column or holds what is no such value.
        """
        found: dict[str, pl.LazyFrame] = {}
        for name, columns in self.record.others.items():
            try:
                found[name] = typed(others[name], columns).lazy()
            except ModelError as error:
                raise ModelError(f"sources.{name}: {error}") from error
        to_panel, *rest = (
            compose_again(plan, plan.source, found)
            for plan in (self.to_panel, *self.rest)
        )
        return replace(self, to_panel=to_panel, rest=rest)

    def forecast(self, rows: pl.DataFrame, *, alone: bool = False) -> pl.DataFrame:
        """Predict as `answer` does, and log what it warns of."""
        made, warnings = self.answer(rows, alone=alone)
        for warning in warnings:
            LOG.warning(warning)
        return made

    def answer(
        self, rows: pl.DataFrame, *, alone: bool = False
    ) -> tuple[pl.DataFrame, list[str]]:
        """Predict the target in the periods after the last one of the rows.

        The rows are raw, of any number of periods. `alone` says that they are a whole
        panel. Otherwise what they lack (a cluster's period that they do not hold) is
        taken from the panel of the training, and rows that break the panel's contract
        are refused; of a whole panel they only warn. What looks incomplete is warned
        of: the last period, and a cluster's period of which the panel of the training
        has more rows; and so are features that `drift`.

        Returns
        -------
        pl.DataFrame
            A row per raw row and step, in their order, or where the panel has fewer
            rows than those one per entity and step: the entity, the period that is
            predicted, if there are several how many ahead it is,
            ``prediction``, ``lower`` and ``upper``, given that the entity has a row
            then; of a model that has this part, ``probability``, that it has. These
            are null where the stages leave the entity out: a rare category, or no row
            in the periods that the features look back.
        list of str
            The warnings.

        Raises
        ------
        ModelError
            If there are no rows, columns are missing, a value is no such value, not
            allowed or too large, rows are given twice, or the panel of a period is not
            whole.
        """
        if rows.is_empty():
            raise ModelError(
                "bundle: no rows to forecast from\nhint: give at least one raw row"
            )
        given = typed(rows, self.record.columns)
        try:
            return self._answered(given, alone=alone)
        except PolarsError as error:
            raise repeated(error) or beyond(given, self.record.largest) from error

    def backtest(self, rows: pl.DataFrame, periods: Sequence[Time]) -> pl.DataFrame:
        """Predict each period with the model that was judged, from those before it.

        The rows are a whole panel. Gives a row per entity, period and step; see
        `answer`. Of several steps, the features are those of the panel's rows, which
        know no more: to cut it off before each step of each period takes minutes.
        """
        panel = self.panel_of(typed(rows, self.record.columns)).lazy()
        horizon = self.record.horizon
        time = pl.col(horizon.time)
        if horizon.n_steps > 1:
            known = horizon.known_features(panel, self.rest)
            return self._of(known.filter(time.is_in(periods)), self.judged)
        made = [
            self._predicted(panel.filter(time < period), self.judged)
            for period in periods
        ]
        return pl.concat(made)

    def prepare(self) -> "Bundle":
        """Make beforehand what requests need of the panel of the training.

        It takes about a second of a million rows, and a request a tenth of the time it
        took; what is answered stays the same.
        """
        horizon, cluster = self.record.horizon, self.record.cluster
        made = prepare(horizon, self.rest, self.context, cluster)
        return replace(self, prepared=made)

    @cached_property
    def context(self) -> pl.DataFrame:
        """What is kept of the panel of the training, sorted by cluster."""
        if self.prepared is not None:
            return self.prepared.rows
        rows = read_parquet(self.folder / "context.parquet")
        return rows.sort(self.record.cluster, maintain_order=True)

    @cached_property
    def _checks(self) -> list[Check]:
        """What the contract says of single rows of the panel."""
        node = self.to_panel.snapshots[self.record.horizon.panel]
        return checks_of(node.stage, self.contract, node.schema)

    @cached_property
    def _count_failures(self) -> Callable[[pl.DataFrame], pl.DataFrame]:
        """Count the rows of a panel that break each."""
        stage = self.to_panel.snapshots[self.record.horizon.panel].stage
        return counting(stage, self._checks)

    @cached_property
    def _ends(self) -> tuple[Any, Any]:
        """The first and the last period of the panel of the training."""
        time = self.context[self.record.horizon.time]
        return time.min(), time.max()

    @cached_property
    def _sizes(self) -> pl.DataFrame:
        """How many rows that has."""
        return sizes_of(self.context, self.record.horizon.time, self.record.cluster)

    def _answered(
        self, rows: pl.DataFrame, *, alone: bool
    ) -> tuple[pl.DataFrame, list[str]]:
        """Predict of typed rows."""
        given = self.panel_of(rows)
        features, warnings = self._asked_features(given, alone=alone)
        is_by_row = given.height == rows.height
        return self._lay_beside(given, self.predicted(features), is_by_row), warnings

    @cached_property
    def _lay_beside(self) -> Callable[..., pl.DataFrame]:
        """Lay predictions beside what asked for them: each row, or each entity."""
        horizon = self.record.horizon

        def laid(
            given: pl.LazyFrame, predicted: pl.LazyFrame, is_by_row: bool
        ) -> pl.LazyFrame:
            asked = given.select(*horizon.entity)
            if not is_by_row:
                asked = asked.unique(maintain_order=True)
            return asked.join(
                horizon.periods_ahead(given),
                how="cross",
                maintain_order="left_right",
            ).join(
                predicted,
                on=[*horizon.entity, *horizon.asked],
                how="left",
                maintain_order="left",
            )

        return composed(laid)

    def asked_features(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Make the features that raw rows ask for, sorted by entity; see `answer`."""
        given = self.panel_of(typed(rows, self.record.columns))
        return self._asked_features(given, alone=False)[0]

    def _asked_features(
        self, given: pl.DataFrame, *, alone: bool
    ) -> tuple[pl.DataFrame, list[str]]:
        """Make the features of the entities of some rows of the panel, and warn."""
        horizon = self.record.horizon
        stage = self.to_panel.snapshots[horizon.panel].stage
        counts = self._count_failures(given)
        warnings = hold(given, counts, stage, self._checks, only_warn=alone)
        sizes = sizes_of(given, horizon.time, self.record.cluster)
        warnings += self.incomplete(sizes, alone=alone)
        if alone:
            features = self.next_features(given.lazy())
        else:
            features = self._features_beside_context(given.filter(self.is_in_panel))
        is_last = pl.col(horizon.time) == given[horizon.time].max()
        features = _of_entities(features, given, (*horizon.entity,))
        warnings += self._drifted(features, given.filter(is_last), alone=alone)
        return features, warnings

    def _features_beside_context(self, given: pl.DataFrame) -> pl.DataFrame:
        """Make features of rows and what they lack of the panel; sorted by entity.

        At least those of the entities that are given.
        """
        horizon = self.record.horizon
        features = self.prepared and self.prepared.features(given)
        if features is None:
            panel = completed(given, self.context, horizon.time, self.record.cluster)
            return self.next_features(panel.lazy())
        return features.sort(*horizon.entity, *horizon.asked)

    def _drifted(
        self, features: pl.DataFrame, last: pl.DataFrame, *, alone: bool
    ) -> list[str]:
        """Warn of features that are not as they were in what was learned from.

        Looked at are those of the entities that have a row in the `last` period given.
        """
        record = self.record
        is_whole = alone or not is_part(last, record.cluster, record.n_clusters)
        asked = _of_entities(features, last, (*record.horizon.entity,))
        return self.drifted(self.drift(asked, is_whole=is_whole))

    def drift(self, asked: pl.DataFrame, *, is_whole: bool) -> list[dict[str, Any]]:
        """Hold features, all or some, against those that were learned from."""
        known = self.predictor.record
        learned = known.learned or Learned(0, {})
        return held(learned, asked, known.schema, is_whole=is_whole)

    def drifted(self, found: Sequence[Mapping[str, Any]]) -> list[str]:
        """Warn of features that are not as they were in what was learned from."""
        shown = some(f"{row['feature']} ({row['why']})" for row in found if row["why"])
        return (
            [f"drifted from the rows that were learned from: {shown}"] if shown else []
        )

    def _predicted(self, panel: pl.LazyFrame, predictor: Predictor) -> pl.DataFrame:
        """Predict the periods after a panel's last one, sorted by entity."""
        return self._of(self.next_features(panel), predictor)

    def predicted(self, features: pl.DataFrame) -> pl.DataFrame:
        """Predict of the features of next periods, beside their keys."""
        return self._of(features, self.predictor)

    def _of(self, features: pl.DataFrame, predictor: Predictor) -> pl.DataFrame:
        """Predict of features, beside their keys."""
        horizon = self.record.horizon
        made = features.select(*horizon.entity, *horizon.asked).hstack(
            predictor.predict(features)
        )
        if predictor.occurrence is None:
            return made
        probability = predictor.occurrence.probability(features)
        return made.with_columns(pl.Series("probability", probability))

    def next_features(self, panel: pl.LazyFrame) -> pl.DataFrame:
        """Make the features of a whole panel's next periods, sorted by entity."""
        horizon = self.record.horizon
        features = horizon.next_features(panel, self.rest)
        return features.sort(*horizon.entity, *horizon.asked)

    def panel_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Apply the stages up to the panel to typed rows."""
        return self._make_panel(rows)

    @cached_property
    def _make_panel(self) -> Callable[[pl.DataFrame], pl.DataFrame]:
        def made(rows: pl.LazyFrame) -> pl.LazyFrame:
            snapshots = compose_again(self.to_panel, rows, {}).snapshots
            return snapshots[self.record.horizon.panel].lf

        return composed(made)

    @property
    def is_in_panel(self) -> pl.Expr:
        """Whether a period is none before the panel of the training.

        A few rows of those would pass for its whole first period.
        """
        time = self.record.horizon.time
        return pl.col(time) >= self._ends[0]

    def incomplete(self, sizes: pl.DataFrame, *, alone: bool) -> list[str]:
        """Warn of what of the rows given looks incomplete, by their sizes.

        What is no whole panel `alone` is refused if it ends too early, or has new
        periods that are not whole.
        """
        time, cluster = self.record.horizon.time, self.record.cluster
        if alone:
            return part_of_the_panel(sizes, sizes.clear(), time, cluster)
        self._refuse_part(sizes)
        warnings = parts_of_clusters(sizes, self._sizes, time, cluster)
        known = sizes.filter(self.is_in_panel)
        return warnings + part_of_the_panel(known, self._sizes, time, cluster)

    def _refuse_part(self, given: pl.DataFrame) -> None:
        """Refuse sizes that end too early, or new periods that are not whole."""
        record, time = self.record, self.record.horizon.time
        _, last = self._ends
        end: Any = given[time].max()
        if end is None or end < last:
            raise ModelError(
                f"bundle: rows end in {end}, expected {last} or later\n"
                "hint: to forecast an earlier period, give a whole panel, and say so"
                " with `--alone`"
            )
        if end > last:
            refuse_a_part_of_the_panel(
                given.filter(pl.col(time) > last),
                time,
                record.cluster,
                last=last,
                every=record.horizon.every,
                n_clusters=record.n_clusters,
            )


@composed
def _of_entities(
    features: pl.LazyFrame, given: pl.LazyFrame, entity: tuple[str, ...]
) -> pl.LazyFrame:
    """Take the features of the entities that have a row among some."""
    return features.join(given, on=entity, how="semi", maintain_order="left")


def load_bundle(folder: Path, project: Path | None = None) -> Bundle:
    """Read a bundle, with the code that is packed in it.

    Of transformations that are a project's own, that of the `project`.
    """
    text = (folder / "bundle.json").read_bytes()
    record = msgspec.json.decode(text, type=BundleRecord)
    horizon, columns = record.horizon, record.columns
    stages, contract = stages_of(record.tree, record.stages, horizon.panel, project)
    raw = pl.LazyFrame(schema={name: dtype_of(columns[name]) for name in columns})
    files = {name: folder / "others" / f"{name}.parquet" for name in record.others}
    others = {name: read_parquet(path).lazy() for name, path in files.items()}
    last = [stage.snapshot for stage in stages].index(horizon.panel)
    to_panel = compose(raw, stages[: last + 1], others)
    rest = horizon.rest(to_panel.snapshots[horizon.panel].lf, stages, others)
    predictor, judged = (load_predictor(folder / n) for n in ("predictor", "judged"))
    return Bundle(folder, record, to_panel, rest, contract, predictor, judged)


def stages_of(
    tree: dict[str, Any], names: list[str], panel: str, project: Path | None
) -> tuple[tuple[Stage, ...], Contract]:
    """Rebuild stages, and the contract of the panel, from a resolved configuration.

    Without the keys of the other snapshots: nothing is published, and a bundle has only
    the columns that the features need.
    """
    stages, mistakes = check_stages(tree, (), project)
    contracts, found = check_contracts(tree, ())
    refuse(mistakes + found)
    kept = tuple(
        stage if stage.snapshot == panel else replace(stage, key=())
        for stage in stages
        if stage.name in names
    )
    return kept, contracts.get(panel, Contract())
