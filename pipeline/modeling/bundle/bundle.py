"""A model that can travel: raw rows in, predictions for the year after them out.

A bundle is a folder of plain files::

    bundle.json      columns, stages with their configuration, names
    predictor/       the model, fitted to all periods that are known
    judged/          the model that was judged: the same, fitted to the training years
    context.parquet  the panel it was trained beside

The stages run on the raw rows as they do in the pipeline, with the code that is packed
beside them. Rarity, bins and ratios are facts of the whole panel: so a request that
holds a part of it only is completed with the panel of the training.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.config import refuse
from pipeline.contracts.contract import Contract
from pipeline.errors import ModelError
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG
from pipeline.modeling.bundle.request import (
    beyond,
    hold,
    part_of_the_panel,
    parts_of_clusters,
    refuse_a_part_of_the_panel,
    typed,
)
from pipeline.modeling.fit.intervals import Calibration
from pipeline.modeling.horizon import Horizon
from pipeline.modeling.predictor import Predictor, load_predictor
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
    source_time: str
    source_cluster: str
    """The names of the year and of the cluster among them."""
    tree: dict[str, Any]
    """The resolved configuration."""
    stages: list[str]
    """Those of its stages that lead to the features."""
    horizon: Horizon
    last: int
    """The last year of the context."""
    n_clusters: int
    """Of that year."""
    fitted_through: int
    """The last year that `predictor` has learned from."""
    totals: dict[str, Calibration]
    """By column of the entity, how far its totals were off in the test years."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    folder: Path
    record: BundleRecord
    to_panel: Plan
    """The stages from raw rows to the panel."""
    rest: Plan
    """Those from there to the features."""
    contract: Contract
    """Of the panel."""
    predictor: Predictor
    judged: Predictor

    def as_judged(self) -> "Bundle":
        """Use the model that was judged, which knows nothing of the test years."""
        return replace(self, predictor=self.judged)

    def forecast(self, rows: pl.DataFrame, *, alone: bool = False) -> pl.DataFrame:
        """Predict as `answer` does, and log what it warns of."""
        made, warnings = self.answer(rows, alone=alone)
        for warning in warnings:
            LOG.warning(warning)
        return made

    def answer(
        self, rows: pl.DataFrame, *, alone: bool = False
    ) -> tuple[pl.DataFrame, list[str]]:
        """Predict the target in the year after the last one of the rows.

        The rows are raw, of any number of years. `alone` says that they are a whole
        panel. Otherwise what they lack (a cluster's year that they do not hold) is
        taken from the panel of the training, and rows that break the panel's contract
        are refused; of a whole panel they only warn. What looks incomplete is warned
        of: the last year, and a cluster's year of which the panel of the training has
        more rows.

        Returns
        -------
        pl.DataFrame
            A row per raw row, in their order: the entity, the year that is predicted,
            ``prediction``, ``lower`` and ``upper``, given that the entity has a row
            then; of a model that has this part, ``probability``, that it has. These
            are null where the stages leave the entity out: a rare category, or no row
            in the years that the features look back.
        list of str
            The warnings.

        Raises
        ------
        ModelError
            If there are no rows, columns are missing, a value is no such value, not
            allowed or too large, rows are given twice, or the panel of a year is not
            whole.
        """
        if rows.is_empty():
            raise ModelError(
                "bundle: no rows to forecast from\nhint: give at least one raw row"
            )
        given = typed(rows, self.record.columns)
        try:
            return self._predicted(given, alone=alone)
        except PolarsError as error:
            raise beyond(given, self._context(), self.record.columns) from error

    def _predicted(
        self, rows: pl.DataFrame, *, alone: bool
    ) -> tuple[pl.DataFrame, list[str]]:
        """Predict of typed rows."""
        record, horizon = self.record, self.record.horizon
        asked, warnings = self._asked(rows, alone=alone)
        panel = rows
        if not alone:
            panel, more = self._completed(rows)
            warnings += more
        warnings += part_of_the_panel(panel, record.source_time, record.source_cluster)
        features = self.next_features(panel)
        predictor = self.predictor
        predicted = features.select(horizon.entity).hstack(predictor.predict(features))
        if predictor.occurrence is not None:
            probability = predictor.occurrence.probability(features)
            predicted = predicted.with_columns(pl.Series("probability", probability))
        made = asked.with_columns(pl.col(horizon.time).max() + horizon.step).join(
            predicted, on=horizon.entity, how="left", maintain_order="left"
        )
        return made, warnings

    def next_features(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Make the features of a whole panel's next year, sorted by entity."""
        horizon = self.record.horizon
        features = horizon.next_features(self._panel(rows), self.rest)
        return features.sort(horizon.entity).collect()

    def _panel(self, rows: pl.DataFrame) -> pl.LazyFrame:
        """Apply the stages up to the panel."""
        snapshots = compose_again(self.to_panel, rows.lazy(), {}).snapshots
        return snapshots[self.record.horizon.panel].lf

    def _asked(
        self, rows: pl.DataFrame, *, alone: bool
    ) -> tuple[pl.DataFrame, list[str]]:
        """Name entity and year of each row, as the panel calls them; check the rows."""
        horizon = self.record.horizon
        panel = self._panel(rows).collect()
        if panel.height != rows.height:
            raise ModelError(
                f"bundle: the stages up to '{horizon.panel}' left {panel.height} of"
                f" {rows.height} rows, expected all, in their order\n"
                "hint: move stages that leave rows out behind that snapshot"
            )
        stage = self.to_panel.snapshots[horizon.panel].stage
        warnings = hold(panel, stage, self.contract, only_warn=alone)
        return panel.select(*horizon.entity, horizon.time), warnings

    def _context(self) -> pl.DataFrame:
        """Read the panel of the training."""
        return read_parquet(self.folder / "context.parquet")

    def _completed(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """Add what the panel of the training knows of other clusters and years."""
        record = self.record
        time, cluster = record.source_time, record.source_cluster
        year: int = rows[time].max()  # pyright: ignore[reportAssignmentType] # a code
        if year < record.last:
            raise ModelError(
                f"bundle: rows end in {year}, expected {record.last} or later\n"
                "hint: to forecast an earlier year, give a whole panel, and say so with"
                " `--alone`"
            )
        new = rows.filter(pl.col(time) > record.last)
        refuse_a_part_of_the_panel(
            new,
            time,
            cluster,
            last=record.last,
            step=record.horizon.step,
            n_clusters=record.n_clusters,
        )
        context = self._context()
        warnings = parts_of_clusters(rows, context, time, cluster)
        rest = context.join(rows, on=[cluster, time], how="anti")
        # A few rows from before the panel would pass for its whole first year.
        known = rows.filter(pl.col(time) >= context[time].min())
        return pl.concat([known, rest]), warnings


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, with the code that is packed in it."""
    text = (folder / "bundle.json").read_bytes()
    record = msgspec.json.decode(text, type=BundleRecord)
    horizon, columns = record.horizon, record.columns
    stages, contract = stages_of(record.tree, record.stages, horizon.panel)
    raw = pl.LazyFrame(schema={name: dtype_of(columns[name]) for name in columns})
    last = [stage.snapshot for stage in stages].index(horizon.panel)
    to_panel = compose(raw, stages[: last + 1])
    rest = horizon.rest(to_panel.snapshots[horizon.panel].lf, stages)
    predictor, judged = (load_predictor(folder / n) for n in ("predictor", "judged"))
    return Bundle(folder, record, to_panel, rest, contract, predictor, judged)


def stages_of(
    tree: dict[str, Any], names: list[str], panel: str
) -> tuple[tuple[Stage, ...], Contract]:
    """Rebuild stages, and the contract of the panel, from a resolved configuration.

    Without the keys of the other snapshots: nothing is published, and a bundle has only
    the columns that the features need.
    """
    stages, mistakes = check_stages(tree, ())
    contracts, found = check_contracts(tree, ())
    refuse(mistakes + found)
    kept = tuple(
        stage if stage.snapshot == panel else replace(stage, key=())
        for stage in stages
        if stage.name in names
    )
    return kept, contracts.get(panel, Contract())
