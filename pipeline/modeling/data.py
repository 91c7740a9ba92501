"""The rows that are learned from: the published features, cut by periods."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
import polars as pl

from pipeline import sources
from pipeline.errors import ConfigError, ModelError, nearest, some
from pipeline.files.manifest import manifest_changes, write_manifest
from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.files.state import State
from pipeline.log import LOG
from pipeline.modeling.horizon import horizon_of
from pipeline.modeling.records import new_folder, span
from pipeline.modeling.settings import (
    STEP,
    Modeling,
    ModelingSettings,
    SplitConfig,
)
from pipeline.panel.periods import Time, number, parsed, written
from pipeline.plan.settings import SOURCE, Settings
from pipeline.progress import doing
from pipeline.run.run import run
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import (
    drop_damaged,
    object_fault,
    open_store,
    read_object,
    verified_object,
    writing,
)

_WAIT_S = 30
"""For another process that is writing."""

_STEPS = "features.parquet"

_N_KEPT = 4
"""Features of several steps, of as many data or settings."""


@dataclass(frozen=True)
class Features:
    """The published features."""

    path: Path
    """One immutable Parquet file: the object, or beside it that of several steps."""
    fingerprint: str
    """Equal for equal rows: of what came of them, however they were made."""
    run_id: str
    """The run that published it."""
    on_trust: tuple[str, ...] = ()
    """What of them no audit proves, in words."""
    _read: dict[str | tuple[str, ...], pl.DataFrame] = field(
        default_factory=dict[str | tuple[str, ...], pl.DataFrame],
        repr=False,
        compare=False,
    )
    """What was read of them; copies share it."""

    def read(self, modeling: Modeling) -> pl.DataFrame:
        """Read all rows, sorted by their key, as their order changes a model.

        That is done once: a study and four models learn of the same rows.
        """
        self.require_columns(modeling)
        key = (*modeling.key,)
        if key not in self._read:
            self._read[key] = read_parquet(self.path).sort(key)
        return self._read[key]

    def source(self, settings: Settings) -> pl.DataFrame:
        """Read the good rows of the source that they are made of, once, too."""
        if SOURCE not in self._read:
            self._read[SOURCE] = read_rows(settings)
        return self._read[SOURCE]

    def periods(self, modeling: Modeling) -> pl.DataFrame:
        """Read the column of the periods, each once."""
        self.require_columns(modeling)
        return scan_parquet([self.path]).select(modeling.time).unique().collect()

    def require_columns(self, modeling: Modeling) -> None:
        """Refuse features without the columns that the settings name.

        A target that is no number is refused as well.
        """
        schema = scan_parquet([self.path]).collect_schema()
        columns = schema.names()
        named = {
            "time": [modeling.time],
            "entity": modeling.entity,
            "target": [modeling.target],
            "past": modeling.past,
            "slices.size": [modeling.slices.size] if modeling.slices.size else [],
            "slices.columns": modeling.slices.columns,
            "leaks": modeling.leaks,
            **{f"slices.thirds.{k}": v for k, v in modeling.slices.cut.items()},
        }
        missing = [
            f"  {setting}: '{name}'{nearest(name, columns)}"
            for setting, names in named.items()
            for name in names
            if name not in columns
        ]
        if missing:
            lines = "\n".join(missing)
            raise ModelError(
                f"{modeling.features}: lacks {len(missing)} columns that"
                f" configs/modeling.yaml names\n{lines}\n"
                f"found: {some(columns)}\n"
                f"hint: `just sql 'describe {modeling.features}'` lists all columns"
            )
        dtype = schema[modeling.target]
        if not (dtype.is_numeric() or dtype == pl.Boolean):
            raise ModelError(
                f"{modeling.features}: the target '{modeling.target}' is {dtype}\n"
                "expected: a number\n"
                "hint: name another as `panel.target` in configs/pipeline.yaml, or give"
                " it another kind under `columns`"
            )


@doing("making the features")
def current_features(settings: ModelingSettings) -> Features:
    """Bring the snapshots up to date, and name the features.

    Those of several steps ahead are no snapshot: they are made once, of the panel's. If
    the run fails, the previous one stays.
    """
    store, modeling = open_store(settings.root), settings.modeling
    report = run(settings.pipeline)
    made = report.run.fingerprints
    read = [(name, made[name]) for name in (modeling.panel, modeling.features)]
    # A run with nothing to do looks at no bytes.
    if any(object_fault(store, *object_) for object_ in read):
        with writing(store, _WAIT_S):
            drop_damaged(store, read)
        report = run(settings.pipeline)
    return published_features(settings, report.run)


def published_features(settings: ModelingSettings, of: RunRecord) -> Features:
    """Name the features of a run that is kept; see `current_features`."""
    store, name = open_store(settings.root), settings.modeling.features
    made_of = of.fingerprints[name]
    path = verified_object(store, name, made_of)
    if settings.modeling.horizon > 1:
        panel = published_panel(settings, of)
        return Features(*_of_all_steps(settings, panel, made_of), of.run_id)
    there = read_object(store, name, made_of)
    assert there, "it is verified"
    return Features(path, there.content_hash, of.run_id)


def published_panel(settings: ModelingSettings, of: RunRecord) -> pl.LazyFrame:
    """Scan the panel of a run that is kept."""
    panel = settings.modeling.panel
    store, fingerprint = open_store(settings.root), of.fingerprints[panel]
    return scan_parquet([verified_object(store, panel, fingerprint)])


@doing("making the features of each step")
def _of_all_steps(
    settings: ModelingSettings, panel: pl.LazyFrame, fingerprint: str
) -> tuple[Path, str]:
    """Make the features of each step ahead, unless they are there, and hash of what.

    The fingerprint is that of the snapshot, which holds the first step's.
    """
    horizon = horizon_of(settings.modeling, panel.collect_schema().names())
    pipeline = settings.pipeline
    rest = horizon.rest(panel, pipeline.stages, read_others(pipeline))
    digests = [node.digest for plan in rest for node in plan.nodes.values()]
    text = repr((fingerprint, digests, horizon.every))
    made_of = hashlib.sha256(text.encode()).hexdigest()
    folder = State(settings.root).steps / made_of[:16]
    if not folder.is_dir() or manifest_changes(folder):
        LOG.info(f"making the features of {horizon.n_steps} periods ahead")
        with new_folder(folder) as partial:
            horizon.known_features(panel, rest).write_parquet(partial / _STEPS)
            write_manifest(partial)
        older = sorted(folder.parent.glob("[0-9a-f]*"), key=lambda p: p.stat().st_mtime)
        for path in older[:-_N_KEPT]:
            shutil.rmtree(path)
    return folder / _STEPS, made_of


Span: TypeAlias = tuple[Time, Time]
"""First and last period, both included."""


@dataclass(frozen=True)
class Spans:
    """Which periods of the features are learned from, calibrate and judge."""

    train: Span
    valid: Span
    test: Span
    unused: list[Time]

    def written(self) -> dict[str, list[str]]:
        """Write the ends of each."""
        spans = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: [str(time) for time in span] for name, span in spans.items()}


def spans_of(df: pl.DataFrame, modeling: Modeling) -> Spans:
    """Find the periods of a split in the features.

    Raises
    ------
    ModelError
        If there are too few, or not those that are named.
    """
    split, times = modeling.split, df[modeling.time].unique().sort()
    there: list[Time] = times.to_list()
    hint = "hint: see `split` in configs/modeling.yaml; one period is [2017, 2017]"
    if split.is_counted:
        parts = (split.train, split.valid, split.test)
        sizes = [part for part in parts if isinstance(part, int)]
        if len(there) < sum(sizes):
            raise ModelError(
                f"{modeling.features}: {len(there)} periods, {_ends(there)}\n"
                f"expected: {sum(sizes)}, of which {split.train} to learn from,"
                f" {split.valid} to calibrate on and {split.test} to judge by\n{hint}"
            )
        ends = [len(there) - sum(sizes[i:]) for i in range(4)]
        train, valid, test = (
            (there[start], there[end - 1]) for start, end in pairwise(ends)
        )
    else:
        train, valid, test = (
            (parsed(a, times.dtype), parsed(b, times.dtype)) for a, b in split.spans
        )
        missing = [
            str(time)
            for time in dict.fromkeys((*train, *valid, *test))
            if time not in there
        ]
        if missing:
            raise ModelError(
                f"{modeling.features}: no rows of {' and '.join(missing)}\n"
                f"found: {_ends(there)}\nexpected: {train[0]} to {test[1]}\n{hint}"
            )
    _refuse_short(there, {"valid": valid, "test": test}, modeling)
    used = (train, valid, test)
    unused = [t for t in there if not any(_is_in(t, span) for span in used)]
    return Spans(train, valid, test, unused)


def windows_of(df: pl.DataFrame, modeling: Modeling) -> list[Modeling]:
    """Name the split of each window of the backtest in its settings, the newest first.

    The newest is the split there is. Each other one is as far before the next as that
    judges periods, so that none is judged twice.

    Raises
    ------
    ModelError
        If there are too few periods.
    """
    n_windows, spans = modeling.backtest.windows, spans_of(df, modeling)
    if n_windows == 1:
        return [modeling]
    there: list[Time] = df[modeling.time].unique().sort().to_list()
    ends = [tuple(map(there.index, s)) for s in (spans.train, spans.valid, spans.test)]
    first, back = ends[0][0], ends[2][1] - ends[2][0] + 1
    n_fitting = 1 + first // back
    if n_windows > n_fitting:
        more = back * (n_windows - 1)
        raise ModelError(
            f"modeling.backtest: {len(there)} periods, {_ends(there)}, are too few for"
            f" {n_windows} windows\n"
            f"found: {first} before those of `split`, enough for {n_fitting}\n"
            f"expected: {more} before them, {back} for each older window, as many as"
            " `split.test` has\n"
            f"hint: modeling.backtest.windows={n_fitting}; or a shorter `split.train`"
            " or `split.test` in configs/modeling.yaml"
        )
    windows = [modeling]
    for moved in range(back, back * n_windows, back):
        train, valid, test = (
            (written(there[a - moved]), written(there[b - moved])) for a, b in ends
        )
        split = SplitConfig(train=train, valid=valid, test=test)
        windows.append(msgspec.structs.replace(modeling, split=split))
    return windows


@dataclass(frozen=True)
class Window:
    """The rows of a window of the backtest."""

    name: str
    """The periods that it judges."""
    names: pl.Enum
    """Of all windows, the oldest first."""
    learned: pl.DataFrame
    test: pl.DataFrame

    def labelled(self, df: pl.DataFrame, modeling: Modeling) -> pl.DataFrame:
        """Lay the name beside rows, if there are several windows."""
        name = pl.lit(self.name, self.names)
        return df.with_columns(name.alias(column) for column in modeling.windowed)


def cut(df: pl.DataFrame, windows: Sequence[Modeling]) -> list[Window]:
    """Take the rows of each window; see `windows_of`."""
    names = [span(spans_of(df, window).written()["test"]) for window in windows]
    in_time, rows = pl.Enum(names[::-1]), [parts(df, window) for window in windows]
    return [
        Window(name, in_time, learned, test)
        for name, (learned, _, test) in zip(names, rows, strict=True)
    ]


def _refuse_short(
    there: Sequence[Time], judged: dict[str, Span], modeling: Modeling
) -> None:
    """Refuse to judge on fewer periods than are forecast, or than a season has."""
    short = {
        name: n
        for name, span in judged.items()
        if (n := sum(_is_in(time, span) for time in there)) < modeling.horizon
    }
    if modeling.season is not None and modeling.season >= len(there):
        raise ModelError(
            f"panel.season: no two of {len(there)} periods are a season apart\n"
            f"found: a season of {modeling.season}\n"
            "hint: a shorter one, or none, in configs/pipeline.yaml"
        )
    if short:
        found = " and ".join(f"{n} in `split.{name}`" for name, n in short.items())
        raise ModelError(
            f"modeling.horizon: {modeling.horizon} periods cannot be judged on"
            f" fewer\nfound: {found}\n"
            f"expected: {modeling.horizon} or more in each, of {len(there)} in all\n"
            "hint: a longer `split.valid` and `split.test`, or a shorter `horizon`, in"
            " configs/modeling.yaml"
        )


def _ends(times: Sequence[Time]) -> str:
    """Write the first and the last of some periods."""
    return f"{times[0]} to {times[-1]}" if times else "none"


def _is_in(time: Time, span: Span) -> bool:
    """Tell whether a period is in a span."""
    first, last = cast("tuple[Any, Any]", span)
    return first <= time <= last


def between(df: pl.DataFrame, modeling: Modeling, span: Span) -> pl.DataFrame:
    """Return the rows of a span of periods."""
    return df.filter(pl.col(modeling.time).is_between(pl.lit(span[0]), pl.lit(span[1])))


def parts(
    df: pl.DataFrame, modeling: Modeling
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the rows that are learned from, that calibrate, and that judge.

    The last two are rows that were not forecast before the periods learned from, and
    that calibrate, were over: else the model would know what came since.
    """
    spans = spans_of(df, modeling)
    return (
        between(df, modeling, spans.train),
        forecast_since(df, modeling, spans.valid, spans.train[1]),
        forecast_since(df, modeling, spans.test, spans.valid[1]),
    )


def forecast_since(
    df: pl.DataFrame, modeling: Modeling, span: Span, known: Time
) -> pl.DataFrame:
    """Return the rows of a later span that are forecast once a period is known."""
    rows = between(df, modeling, span)
    if modeling.horizon == 1:
        return rows
    dtype = rows.schema[modeling.time]
    now, then = (
        number(time, modeling.every, dtype).cast(pl.Int64)
        for time in (modeling.time, pl.lit(known, dtype))
    )
    return rows.filter(pl.col(STEP) <= now - then)


def folds(df: pl.DataFrame, modeling: Modeling) -> list[tuple[Span, Span]]:
    """List the expanding folds: the periods learned from, and those judged.

    These are as many as are forecast, so that folds may share some. All are of those
    that the oldest window learns from, so that no window judges parameters that were
    chosen on the periods it judges.
    """
    train = spans_of(df, windows_of(df, modeling)[-1]).train
    times = between(df, modeling, train)[modeling.time].unique().sort().to_list()
    n_folds, n = modeling.study.folds, modeling.horizon
    if len(times) < n_folds + n:
        more = f" of {n} periods each" if n > 1 else ""
        raise ConfigError(
            f"configs/modeling.yaml: {len(times)} training periods, expected"
            f" {n_folds + n} for {n_folds} folds{more}\n"
            "hint: each fold is a period judged from those before it; change"
            " `split.train` or `study.folds`"
        )
    last = len(times) - n
    return [
        ((times[0], times[i - 1]), (times[i], times[i + n - 1]))
        for i in range(last - n_folds + 1, last + 1)
    ]


@doing("reading the source")
def read_rows(settings: Settings, name: str = SOURCE) -> pl.DataFrame:
    """Read the good rows of a source; it is fetched if it is not there.

    Of a query, those that a run got last: what is known of a run is of its rows.
    """
    config, root = settings.sources[name], settings.root
    if not (
        sources.is_asked(config) and (root / sources.reads(config, root).path).exists()
    ):
        sources.fetch(config, root)
    rows, _ = sources.read_fetched(config, root)
    return rows


def read_others(settings: Settings) -> dict[str, pl.LazyFrame]:
    """Read the good rows of the other sources that stages read, by name."""
    read = {name for stage in settings.stages for name in stage.inputs}
    return {
        name: read_rows(settings, name).lazy()
        for name in settings.others
        if name in read
    }
