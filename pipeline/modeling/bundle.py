"""A model that can travel: raw rows in, predictions for the year after them out.

A bundle is a folder of plain files::

    bundle.json      columns, stages with their configuration, names
    predictor/       the model
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

from pipeline.errors import ModelError, nearest, some
from pipeline.log import LOG
from pipeline.modeling.horizon import next_features
from pipeline.modeling.predictor import Predictor, load_predictor
from pipeline.plan import compose
from pipeline.settings import Stage, check_stages
from pipeline.sources.columns import Kind, dtype_of, parse_text, why_bad

FORMAT = 1
"""Counts the changes to the bundle; those of another format are refused."""

_PART_OF_PANEL = 0.5
"""Of the clusters of the training's last year; fewer are no whole year."""

_WHOLE = 0.8
"""Of a year's clusters or rows; a year after it with fewer may be incomplete."""


class BundleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is.

    Attributes
    ----------
    model, fingerprint : str
        The trained model.
    features_fingerprint : str
        The snapshot it learned from.
    columns : dict of str to Kind
        The raw columns that the features are made of.
    tree : dict
        The resolved configuration.
    stages : list of str
        Those of its stages that lead to the features.
    source_time, source_cluster : str
        The names of the year and of the cluster among them.
    panel, features, time, target : str
        As in ``configs/modeling.yaml``.
    entity : list of str
        Likewise.
    last : int
        The last year of the context.
    n_clusters : int
        Of that year.
    """

    format: int
    model: str
    fingerprint: str
    features_fingerprint: str
    columns: dict[str, Kind]
    source_time: str
    source_cluster: str
    tree: dict[str, Any]
    stages: list[str]
    panel: str
    features: str
    time: str
    entity: list[str]
    target: str
    last: int
    n_clusters: int


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    folder: Path
    record: BundleRecord
    stages: tuple[Stage, ...]
    predictor: Predictor

    def forecast(self, rows: pl.DataFrame, *, alone: bool = False) -> pl.DataFrame:
        """Predict the target in the year after the last one of the rows.

        Parameters
        ----------
        rows : pl.DataFrame
            Raw rows of any number of years, with at least the columns of the record.
        alone : bool, default False
            The rows are a whole panel. Otherwise what they lack (a cluster's year that
            they do not hold) is taken from the panel of the training.

        Returns
        -------
        pl.DataFrame
            A row per raw row, in their order: the entity, the year that is predicted,
            ``prediction``, ``lower`` and ``upper``. These are null where the stages
            leave the entity out: a rare category, or no row in the years that the
            features look back. A last year that looks incomplete is warned of.

        Raises
        ------
        ModelError
            If there are no rows, columns are missing, a value is no such value, or the
            panel of a year is not whole.
        """
        record = self.record
        if rows.is_empty():
            raise ModelError(
                "bundle: no rows to forecast from\nhint: give at least one raw row"
            )
        given = typed(rows, record.columns)
        asked = self._asked(given)
        panel = given if alone else self._completed(given)
        self._warn_of_a_part(panel)
        features = self.next_features(panel)
        predicted = features.select(record.entity).hstack(
            self.predictor.predict(features)
        )
        return asked.with_columns(pl.col(record.time).max() + 1).join(
            predicted, on=record.entity, how="left", maintain_order="left"
        )

    def next_features(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Make the features of the year after the last one, sorted by entity.

        Parameters
        ----------
        rows : pl.DataFrame
            A whole panel, as `typed` gives it.
        """
        record = self.record
        return (
            next_features(
                self._panel(rows),
                self.stages,
                panel=record.panel,
                features=record.features,
                time=record.time,
                entity=record.entity,
                target=record.target,
            )
            .sort(record.entity)
            .collect()
        )

    def _panel(self, rows: pl.DataFrame) -> pl.LazyFrame:
        """Apply the stages up to the panel."""
        return compose(rows.lazy(), self.stages).snapshots[self.record.panel].lf

    def _asked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Name entity and year of each row, as the panel calls them."""
        record = self.record
        asked = self._panel(rows).select(*record.entity, record.time).collect()
        if asked.height != rows.height:
            raise ModelError(
                f"bundle: the stages up to '{record.panel}' left {asked.height} of"
                f" {rows.height} rows, expected all, in their order\n"
                "hint: move stages that leave rows out behind that snapshot"
            )
        return asked

    def _completed(self, rows: pl.DataFrame) -> pl.DataFrame:
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
        for new in range(record.last + 1, year + 1):
            n_clusters = rows.filter(pl.col(time) == new)[cluster].n_unique()
            if n_clusters < record.n_clusters * _PART_OF_PANEL:
                raise ModelError(
                    f"bundle: {time} {new} has rows of {n_clusters} {cluster}, expected"
                    f" the whole panel, as {record.last} with {record.n_clusters}\n"
                    "hint: features compare with all others of the year; give the rows"
                    f" of all for every year after {record.last}"
                )
        context = pl.read_parquet(self.folder / "context.parquet", glob=False)
        rest = context.join(rows, on=[cluster, time], how="anti")
        # A few rows from before the panel would pass for its whole first year.
        known = rows.filter(pl.col(time) >= context[time].min())
        return pl.concat([known, rest])

    def _warn_of_a_part(self, panel: pl.DataFrame) -> None:
        """Log a warning if the last year has much less than the year before it."""
        time, cluster = self.record.source_time, self.record.source_cluster
        sizes = (
            panel.group_by(time)
            .agg(pl.col(cluster).n_unique().alias("clusters"), pl.len().alias("rows"))
            .sort(time)
            .tail(2)
            .rows()
        )
        if len(sizes) < 2:
            return
        (before, *whole), (last, *part) = sizes
        if any(n < full * _WHOLE for n, full in zip(part, whole, strict=True)):
            LOG.warning(
                f"{time} {last} has rows of {part[0]:,} {cluster}, {part[1]:,} in all;"
                f" {before} had {whole[0]:,} and {whole[1]:,}. If it is incomplete, so"
                " is what features compare with: totals, ranks and ratios of the year"
            )


def typed(rows: pl.DataFrame, columns: dict[str, Kind]) -> pl.DataFrame:
    """Give raw rows the dtypes of their kinds.

    Parameters
    ----------
    rows : pl.DataFrame
        Numbers, or text as in a file.
    columns : dict of str to Kind
        The columns that are wanted.

    Raises
    ------
    ModelError
        If a column is missing, or a cell is not what its kind holds: names the row.
    """
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        near = nearest(missing[0], rows.columns)
        raise ModelError(
            f"rows: {len(missing)} missing columns: {', '.join(missing)}{near}\n"
            f"found: {some(rows.columns)}\n"
            "hint: name the columns as the source does"
        )

    def value(name: str, kind: Kind) -> pl.Expr:
        if rows.schema[name] == pl.String:
            return parse_text(pl.col(name), kind)
        return pl.col(name).cast(dtype_of(kind), strict=False)

    values = rows.select(
        value(name, kind).alias(name) for name, kind in columns.items()
    )
    faults = rows.lazy().select(
        why_bad(pl.col(name), value(name, kind), kind).alias(name)
        for name, kind in columns.items()
    )
    bad = (
        faults.with_row_index("row")
        .unpivot(index="row", variable_name="column", value_name="reason")
        .drop_nulls("reason")
        .sort("row", maintain_order=True)
        .collect()
    )
    if bad.height:
        shown = "\n".join(
            f"  row {row}: {column}: {reason}, found {rows[row, column]!r}"
            for row, column, reason in bad.head(10).iter_rows()
        )
        raise ModelError(f"rows: {bad.height} bad values; the first:\n{shown}")
    return values


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle.

    Raises
    ------
    ModelError
        If it was written by another version of this project.
    """
    raw = (folder / "bundle.json").read_bytes()
    found = msgspec.json.decode(raw)["format"]
    if found != FORMAT:
        raise ModelError(
            f"{folder}: a bundle of format {found}, expected {FORMAT}\n"
            "hint: use it with the code that is packed in it, as MLflow does"
        )
    record = msgspec.json.decode(raw, type=BundleRecord)
    return Bundle(
        folder,
        record,
        stages_of(record.tree, record.stages),
        load_predictor(folder / "predictor"),
    )


def stages_of(tree: dict[str, Any], names: list[str]) -> tuple[Stage, ...]:
    """Rebuild stages from a resolved configuration.

    Without the keys of their snapshots: nothing is published, and a bundle has only the
    columns that the features need.
    """
    stages, mistakes = check_stages(tree, ())
    if mistakes:
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise ModelError(f"bundle: its stages do not fit its code\n{lines}")
    return tuple(replace(stage, key=()) for stage in stages if stage.name in names)
