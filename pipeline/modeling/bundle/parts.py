"""Predict of more rows than fit in memory: what a bundle predicts of all, to the bit.

The rows of many files are one request: what features compare with, such as totals of a
period, is of all of them. So the panel, and the features of the next periods, are made
part by part as those of a run are; entities are predicted, and files answered, batch by
batch. Where stages do not say how their rows may be split, all are taken at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from pipeline.config import BaseConfig
from pipeline.contracts.checks import Check
from pipeline.engine.one_pass import Execution, Work
from pipeline.engine.parts.declared import is_row_wise, split_of
from pipeline.engine.parts.execute import Splitting, execute_parts, run_here
from pipeline.engine.parts.sizes import choose_n_parts, memory_of
from pipeline.engine.parts.work import Slice
from pipeline.errors import ConfigError, ModelError
from pipeline.files.folder import open_folder
from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.log import LOG
from pipeline.modeling.bundle.bundle import Bundle
from pipeline.modeling.bundle.request import checks_of, is_part, judge, typed
from pipeline.modeling.settings import STEP
from pipeline.panel.split import ROW_WISE, Split
from pipeline.panel.unique import repeated
from pipeline.plan.compose import compose, compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, EngineSettings, Stage
from pipeline.transforms import Transform

_BATCH = 1 << 18
"""Rows that are predicted, or answered, at once."""

_FEATURES = "next_features"
"""The snapshot of the features that are predicted from."""


@dataclass(frozen=True)
class _Place:
    """Where parts are written, and in how much memory each has to fit."""

    folder: Path
    engine: EngineSettings


def answer_files(
    bundle: Bundle,
    files: Sequence[Path],
    folder: Path,
    engine: EngineSettings,
    *,
    alone: bool,
) -> list[str]:
    """Predict of raw rows in Parquet files what `Bundle.answer` predicts of all.

    Writes a file of the same name for each into the folder's ``made/``, with the rows
    that `answer` gives of it, and returns what `answer` warns of. `engine` says how
    much memory there is, or how many parts to take. A ModelError as `answer` raises it,
    or if a file's rows alone do not tell which entities it asks about.
    """
    _refuse_unknown_rows(bundle.to_panel)
    place = _Place(folder, engine)
    given: list[list[Path]] = []
    for file in files:
        given.append([])
        for rows in _batches(scan_parquet(file)):
            given[-1].append(folder / f"typed-{file.stem}-{len(given[-1])}.parquet")
            typed(rows, bundle.record.columns).write_parquet(given[-1][-1])
    rows = scan_parquet([path for paths in given for path in paths])
    try:
        ahead, warnings = _predict(bundle, rows, place, alone=alone)
    except PolarsError as error:
        raise repeated(error) or ModelError(
            f"rows: cannot be computed with\nfound: {str(error).splitlines()[0]}\n"
            "hint: `just score` of single files names the row"
        ) from error
    predictions = scan_parquet(sorted((folder / "predicted").glob("*.parquet")))
    (folder / "made").mkdir()
    for file, paths in zip(files, given, strict=True):
        answers = [
            _answer_to(asked, bundle, ahead, predictions)
            for asked in _asked(bundle, paths)
        ]
        pl.concat(answers).write_parquet(folder / "made" / file.name)
    return warnings


def _refuse_unknown_rows(to_panel: Plan) -> None:
    """Refuse stages that need other files' rows to say what a file asks about."""
    for node in to_panel.nodes.values():
        stage = node.stage
        fault = "needs all rows at once"
        try:
            if split_of(stage).fact is None:
                continue
        except ConfigError:
            fault = "does not say how its rows may be split"
        raise ModelError(
            f"{stage.place}: {fault}, so that no file of several can be answered\n"
            "expected: stages before the panel that look at single rows, or at those of"
            " a key\n"
            "hint: put all rows into one file"
        )


def _asked(bundle: Bundle, paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Name the entities of a file's rows, batch by batch, in their order."""
    entity = bundle.record.horizon.entity
    if not all(is_row_wise(node.stage) for node in bundle.to_panel.nodes.values()):
        rows = scan_parquet(paths).collect()
        panel = bundle.panel_of(rows)
        asked = panel.select(entity)
        yield asked if panel.height == rows.height else _unique(asked)
        return
    for path in paths:
        yield bundle.panel_of(read_parquet(path)).select(entity)


def _unique(asked: pl.DataFrame) -> pl.DataFrame:
    """Name each entity once."""
    return asked.unique(maintain_order=True)


def _answer_to(
    asked: pl.DataFrame, bundle: Bundle, ahead: pl.DataFrame, predictions: pl.LazyFrame
) -> pl.DataFrame:
    """Lay the predictions beside entities, a row for each period ahead."""
    horizon = bundle.record.horizon
    some = asked.lazy().unique()
    known = predictions.join(some, on=horizon.entity, how="semi")
    return asked.join(ahead, how="cross", maintain_order="left_right").join(
        known.collect(engine="streaming"),
        on=[*horizon.entity, *horizon.asked],
        how="left",
        maintain_order="left",
    )


def _predict(
    bundle: Bundle, rows: pl.LazyFrame, place: _Place, *, alone: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Write what is predicted of all rows, and give the periods and the warnings."""
    (place.folder / "predicted").mkdir()
    horizon = bundle.record.horizon
    try:
        if bundle.record.others:
            raise ConfigError("stages read other sources")
        return _predict_in_parts(bundle, rows, place, alone=alone)
    except ConfigError as error:
        LOG.warning(
            "all rows are held in memory: %s", str(error).partition("\nhint: ")[0]
        )
    made, warnings = bundle.answer(rows.collect(), alone=alone)
    made.unique([*horizon.entity, *horizon.asked]).write_parquet(
        place.folder / "predicted" / "all.parquet"
    )
    return made.select(horizon.asked).unique().sort(horizon.asked), warnings


def _predict_in_parts(
    bundle: Bundle, rows: pl.LazyFrame, place: _Place, *, alone: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Do as `Bundle.answer` does, with no more than a part's rows in memory."""
    horizon, folder = bundle.record.horizon, place.folder
    time, cluster = horizon.time, bundle.record.cluster
    node = bundle.to_panel.snapshots[horizon.panel]
    checks = checks_of(node.stage, bundle.contract, node.schema)
    made = _execute(_by_entity(bundle), horizon.panel, rows, place, checks)
    given = scan_parquet(made.files[horizon.panel])
    n_rows = made.profiles[horizon.panel].n_rows
    outcomes = made.outcomes.get(horizon.panel, [])
    warnings = judge(given, n_rows, node.stage, checks, outcomes, only_warn=alone)
    sizes = given.group_by(cluster, time).len("n").collect(engine="streaming")
    warnings += bundle.incomplete(sizes, alone=alone)
    panel = given
    if not alone:
        rest = bundle.context.join(sizes, on=[cluster, time], how="anti").lazy()
        known = given.filter(bundle.is_in_panel)
        columns = known.collect_schema().names()
        pl.concat([known, rest.select(columns)]).sink_parquet(folder / "panel.parquet")
        panel = scan_parquet(folder / "panel.parquet")
    features = [
        _features(bundle, panel, plan, step, place)
        for step, plan in zip(horizon.steps, bundle.rest, strict=True)
    ]
    for step, lf in enumerate(features):
        for number, batch in enumerate(_batches(lf)):
            bundle.predicted(batch).write_parquet(
                folder / "predicted" / f"{step:03}-{number:06}.parquet"
            )
    last = given.filter(pl.col(time) == sizes[time].max()).select(horizon.entity)
    asked = pl.concat(features).join(last, on=horizon.entity, how="semi")
    newest = sizes.filter(pl.col(time) == sizes[time].max())
    is_whole = alone or not is_part(newest, cluster, bundle.record.n_clusters)
    drifted = [
        row
        for name in features[0].collect_schema()
        for column in [asked.select(name).collect(engine="streaming")]
        for row in bundle.drift(column, is_whole=is_whole)
    ]
    warnings += bundle.drifted(drifted)
    return horizon.periods_ahead(panel).collect(), warnings


def _by_entity(bundle: Bundle) -> Plan:
    """Let the panel's rows be split by the entity: a period may have too many."""
    horizon = bundle.record.horizon
    panel = bundle.to_panel.snapshots[horizon.panel].stage
    split = Split(keys=(*horizon.entity,))

    def as_it_is(lf: pl.LazyFrame, _: BaseConfig) -> pl.LazyFrame:
        return lf

    last = replace(
        _stage("panel by entity", as_it_is, panel.name, split),
        snapshot=panel.snapshot,
        key=panel.key,
    )
    before = [
        replace(node.stage, snapshot=None, key=())
        for node in bundle.to_panel.nodes.values()
    ]
    return compose(bundle.to_panel.source, [*before, last], bundle.to_panel.others)


def _features(
    bundle: Bundle, panel: pl.LazyFrame, rest: Plan, step: int, place: _Place
) -> pl.LazyFrame:
    """Make the features of a period ahead, as `Horizon.features_ahead` does."""
    horizon = bundle.record.horizon
    dtype = panel.collect_schema()[horizon.time]
    then = panel.select(horizon.time_ahead(panel, step)).collect().item()
    period = pl.lit(then, dtype).alias(horizon.time)

    def extend(lf: pl.LazyFrame, _: BaseConfig) -> pl.LazyFrame:
        return horizon.extend_to(lf, period)

    def only_next(lf: pl.LazyFrame, _: BaseConfig) -> pl.LazyFrame:
        return lf.filter(pl.col(horizon.time) == period).drop(horizon.target)

    first = _stage("extended panel", extend, SOURCE, Split(keys=(*horizon.entity,)))
    made = rest.snapshots[horizon.features].stage
    last = replace(
        _stage(_FEATURES, only_next, made.name, ROW_WISE),
        snapshot=_FEATURES,
        key=(*horizon.entity, horizon.time),
    )
    between = [
        replace(
            node.stage,
            inputs=tuple(first.name if n == SOURCE else n for n in node.stage.inputs),
            snapshot=None,
            key=(),
        )
        for node in rest.nodes.values()
    ]
    plan = compose(panel, [first, *between, last])
    parts = replace(place, folder=place.folder / f"step-{step:03}")
    file = _execute(plan, _FEATURES, panel, parts, []).files[_FEATURES]
    lf = scan_parquet(file)
    if horizon.n_steps == 1:
        return lf
    return lf.with_columns(pl.lit(step, pl.Int64).alias(STEP))


def _stage(name: str, apply: Any, given: str, split: Split) -> Stage:
    """Make a stage of what no transformation is."""
    transform = Transform(name, apply, BaseConfig, 1, lambda _: split, None)
    return Stage(name, transform, (given,), BaseConfig())


def _execute(
    plan: Plan, name: str, rows: pl.LazyFrame, place: _Place, checks: list[Check]
) -> Execution:
    """Make a snapshot of rows, in as few parts as fit in memory."""
    plan = compose_again(plan, rows, {})
    stages = tuple(plan.upstream([plan.snapshots[name].stage.name]))
    n_rows = rows.select(pl.len()).collect().item()
    n_parts = place.engine.partitions
    if n_parts == "auto":
        n_parts = choose_n_parts(place.engine, plan, [SOURCE], n_rows)
    place.folder.mkdir(exist_ok=True)
    splitting = Splitting(
        open_folder(f"{place.folder}/parts-{name}"),
        n_parts,
        memory_of(place.engine),
        run_here,
    )
    work = Work((name,), stages, {name: checks} if checks else {}, {})
    made = execute_parts(
        plan, work, [Slice(SOURCE, rows)], place.folder, splitting, lambda _: True
    )
    assert made is not None, "nothing is set aside"
    splitting.folder.remove()
    return made


def _batches(lf: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read the rows of files batch by batch; at least one, if without rows."""
    n_rows = lf.select(pl.len()).collect().item()
    for start in range(0, max(n_rows, 1), _BATCH):
        yield lf.slice(start, _BATCH).collect(engine="streaming")
