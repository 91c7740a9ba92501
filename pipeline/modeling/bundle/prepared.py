"""What requests need of the panel of the training, made before they come.

A request changes the rows of a few clusters. How the stages may be split, they say
themselves (`pipeline.panel.split`): so the features of these clusters are made of their
rows alone, by the same stages, and of facts of all rows, to which every other cluster
has given its share before. What comes out is the same to the bit. Where a changed fact
would change another fact through the rows of the clusters that were not given, there is
no short way.

A plan of a few hundred rows takes Polars a tenth of a second, of which the rows take
least. So each stage is composed once, on frames that are filled in later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, starmap
from threading import Lock
from typing import TYPE_CHECKING, cast

import polars as pl

from pipeline.engine.parts.declared import apply_split, split_of
from pipeline.engine.parts.layout import makes_anew
from pipeline.errors import ConfigError
from pipeline.modeling.bundle.request import completed
from pipeline.panel.composed import Frames, collected, composed, resolved
from pipeline.panel.keys import WORKING
from pipeline.panel.split import Split
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import SOURCE

if TYPE_CHECKING:
    from pipeline.modeling.horizon import Horizon
    from pipeline.panel.periods import Time

_BUCKET = f"{WORKING}bucket"
"""Column that numbers the clusters, of which many share a number."""

_MOST_BUCKETS = 256
_MOST_AT_ONCE = 16
"""Buckets whose rows are in memory together."""

_LARGE = 0.25
"""Of the rows of the panel: what asks for more takes the plan of all rows."""


@dataclass(frozen=True)
class _Stage:
    """A stage on frames that are filled in."""

    node: Node
    made: pl.LazyFrame
    share: pl.LazyFrame | None
    """What rows give to the stage's fact, if it has one."""
    merged: pl.LazyFrame | None
    """The fact, of the shares of all."""
    decides: bool
    """Whether its fact changes rows of which a later fact is made."""


@dataclass(frozen=True)
class _Fact:
    """A fact of the panel as it was."""

    shares: list[pl.DataFrame]
    """What each bucket gave."""
    together: list[pl.DataFrame]
    """What the buckets that were in memory together gave, as a part of their rows."""
    merged: pl.DataFrame
    """Sorted."""

    def without(self, touched: list[int]) -> Iterator[pl.DataFrame]:
        """Take the shares of other buckets, as few as there can be."""
        apart = {bucket // _MOST_AT_ONCE for bucket in touched}
        for i, share in enumerate(self.together):
            if i not in apart:
                yield share
                continue
            first = i * _MOST_AT_ONCE
            for bucket in range(first, min(first + _MOST_AT_ONCE, len(self.shares))):
                if bucket not in touched:
                    yield self.shares[bucket]


@dataclass(frozen=True)
class _Step:
    """How the features of one period ahead are made."""

    frames: Frames
    extended: pl.LazyFrame
    stages: dict[str, _Stage]
    ahead: pl.LazyFrame
    """The features of the period, of those that the last stage has made."""
    facts: dict[str, _Fact] = field(default_factory=dict[str, _Fact])

    def share(self, name: str) -> pl.DataFrame:
        """Take what the rows that are filled in give to a fact."""
        share = self.stages[name].share
        assert share is not None
        return collected(share)

    def merge(self, name: str, shares: pl.DataFrame) -> pl.DataFrame:
        """Make a fact of all shares, and fill it in."""
        merged = self.stages[name].merged
        assert merged is not None
        self.frames.filled[_SHARES] = shares
        self.frames.filled[_of(name)] = collected(merged)
        return self.frames.filled[_of(name)]

    def make(self, name: str) -> None:
        """Make the rows of a stage of what is filled in."""
        self.frames.filled[name] = collected(self.stages[name].made)


@dataclass
class Prepared:
    """Makes the features of a few clusters."""

    horizon: "Horizon"
    cluster: str
    rows: pl.DataFrame
    """The panel, sorted by cluster, and so by bucket."""
    ends: list[int]
    """Where the rows of each bucket end; the first begins at 0."""
    buckets: pl.DataFrame
    """The bucket of each cluster."""
    steps: list[_Step]
    lock: Lock = field(default_factory=Lock)
    n_long: int = 0
    """Requests that only the plan of all rows could answer."""

    @cached_property
    def end(self) -> "Time | None":
        """The last period of the panel."""
        return cast("Time | None", self.rows[self.horizon.time].max())

    def features(self, given: pl.DataFrame) -> pl.DataFrame | None:
        """Make the features of the next periods of rows and what they lack.

        `given` are rows of the panel. Of entities of other clusters, some or none are
        there. None if only the plan of all rows can tell.
        """
        found = self._features(given)
        self.n_long += found is None
        return found

    def _features(self, given: pl.DataFrame) -> pl.DataFrame | None:
        """Do it."""
        time, cluster = self.horizon.time, self.cluster
        if given[time].max() != self.end or given[cluster].null_count():
            return None
        touched: list[int]
        touched = _touched(given, self.buckets, cluster)[_BUCKET].to_list()
        known = pl.concat([self.rows.clear(), *map(self._bucket, touched)])
        part = completed(given, known, time, cluster)
        if part.height > self.rows.height * _LARGE:
            return None
        with self.lock:
            try:
                made = [self._ahead(step, part, touched) for step in self.steps]
            finally:  # a large request's rows of each stage take a lot of memory
                for step in self.steps:
                    step.frames.filled.clear()
        found = [df for df in made if df is not None]
        return self.horizon.stacked(found) if len(found) == len(made) else None

    def _bucket(self, bucket: int) -> pl.DataFrame:
        """Take the rows of a bucket."""
        start = self.ends[bucket - 1] if bucket else 0
        return self.rows[start : self.ends[bucket]]

    def _ahead(
        self, step: _Step, part: pl.DataFrame, touched: list[int]
    ) -> pl.DataFrame | None:
        """Make the features of a period, all stages one after the other."""
        filled = step.frames.filled
        filled[_GIVEN] = part
        filled[SOURCE] = collected(step.extended)
        for name, stage in step.stages.items():
            if name in step.facts:
                fact = step.facts[name]
                shares = pl.concat([*fact.without(touched), step.share(name)])
                merged = step.merge(name, shares)
                if stage.decides and not merged.equals(fact.merged):
                    return None
            step.make(name)
        return collected(step.ahead)


_GIVEN, _SHARES = f"{WORKING}given", f"{WORKING}shares"


def _of(stage: str) -> str:
    """Name the fact of a stage."""
    return f"{WORKING}{stage}"


@composed
def _touched(given: pl.LazyFrame, buckets: pl.LazyFrame, cluster: str) -> pl.LazyFrame:
    """Tell which buckets have the clusters of some rows."""
    found = given.select(pl.col(cluster).unique()).join(buckets, on=cluster)
    return found.select(pl.col(_BUCKET).unique().sort())


def prepare(
    horizon: "Horizon", rest: Sequence[Plan], panel: pl.DataFrame, cluster: str
) -> Prepared | None:
    """Make what requests need of a panel; None if its stages have no short way.

    The panel is sorted by cluster.
    That is where one does not say how its rows may be split, or not by the cluster, is
    a small table of all rows, or reads another source.
    """
    if panel[cluster].null_count() or not all(
        _can_be_short(plan, cluster) for plan in rest
    ):
        return None
    sizes = panel.group_by(cluster).len().sort(cluster)
    n_buckets = min(sizes.height, _MOST_BUCKETS)
    numbered = sizes.with_columns(
        (pl.int_range(pl.len()) * n_buckets // pl.len()).alias(_BUCKET)
    )
    ends = numbered.group_by(_BUCKET).agg(pl.col("len").sum()).sort(_BUCKET)
    steps = [
        _step(horizon, plan, step, panel)
        for step, plan in zip(horizon.steps, rest, strict=True)
    ]
    made = Prepared(
        horizon,
        cluster,
        panel,
        ends["len"].cum_sum().to_list(),
        numbered.select(cluster, _BUCKET),
        steps,
    )
    for step in steps:
        _find_facts(made, step)
    return made


def _can_be_short(plan: Plan, cluster: str) -> bool:
    """Tell whether all stages may be given a few clusters, and facts of all."""
    try:
        splits = {name: split_of(node.stage) for name, node in plan.nodes.items()}
    except ConfigError:
        return False
    return not plan.reads(plan.nodes) and not any(
        _needs_all(plan, name, split, cluster) for name, split in splits.items()
    )


def _needs_all(plan: Plan, name: str, split: Split, cluster: str) -> bool:
    """Tell whether a stage is only right of all rows, or mixes up clusters."""
    if split.is_whole or (split.keys and cluster not in split.keys):
        return True
    return makes_anew(plan, name, split, cluster)


def _step(horizon: "Horizon", plan: Plan, step: int, panel: pl.DataFrame) -> _Step:
    """Compose the stages, one by one, on frames that are filled in later."""
    frames = Frames()
    stages: dict[str, _Stage] = {}
    features = plan.snapshots[horizon.features].stage.name
    needed = plan.upstream([features])
    with_fact = {n for n in needed if split_of(needed[n].stage).fact is not None}
    for name, node in needed.items():
        config = node.stage.config
        inputs = [frames.lazy(i, plan.schema(i)) for i in node.stage.inputs]
        fact, share, merged = split_of(node.stage).fact, None, None
        facts: dict[str, pl.LazyFrame] = {}
        if fact is not None:
            share = resolved(fact.partial(*inputs, config))
            shares = frames.lazy(_SHARES, share.collect_schema())
            merged = fact.merge(shares, config)
            # In an order, so that it can be told from another one.
            merged = resolved(merged.sort(*merged.collect_schema()))
            facts[name] = frames.lazy(_of(name), merged.collect_schema())
        after = {*plan.downstream(name)} & with_fact - {name}
        made = resolved(apply_split(node.stage, inputs, facts))
        stages[name] = _Stage(node, made, share, merged, bool(after))
    extended = resolved(horizon.extend(frames.lazy(_GIVEN, panel.schema), step))
    is_ahead = pl.col(horizon.time) == horizon.period_ahead(panel, step)
    of_all = frames.lazy(features, plan.schema(features))
    ahead = resolved(of_all.filter(is_ahead).drop(horizon.target))
    return _Step(frames, extended, stages, ahead)


def _find_facts(prepared: Prepared, step: _Step) -> None:
    """Let all buckets give their shares, and keep the facts.

    One stage after the other, each over all buckets, some of them at once, so that not
    all rows are held by the same stage.
    """
    filled, rows = step.frames.filled, prepared.rows
    starts = [0, *prepared.ends]
    firsts = [*range(0, len(prepared.ends), _MOST_AT_ONCE), len(prepared.ends)]
    held: dict[str, list[pl.DataFrame]] = {SOURCE: []}
    for first, last in pairwise(firsts):
        filled[_GIVEN] = rows[starts[first] : starts[last]]
        held[SOURCE].append(collected(step.extended))
    filled.clear()
    with_fact = [name for name, stage in step.stages.items() if stage.share is not None]
    for name, stage in step.stages.items():
        inputs = stage.node.stage.inputs
        if name in with_fact:
            with_fact.remove(name)
            shares: list[pl.DataFrame] = []
            together: list[pl.DataFrame] = []
            for i, buckets in enumerate(starmap(range, pairwise(firsts))):
                frames = [held[n][i] for n in inputs]
                filled.update(zip(inputs, frames, strict=True))
                together.append(step.share(name))
                shares += _shares(prepared, step, name, frames, buckets)
            merged = step.merge(name, pl.concat(together))
            step.facts[name] = _Fact(shares, together, merged)
        if not with_fact:
            break
        held[name] = []
        for i in range(len(firsts) - 1):
            filled.update({given: held[given][i] for given in inputs})
            step.make(name)
            held[name].append(filled[name])
        filled.clear()
        for given in {*held} - _inputs_after(step, name):
            del held[given]
    filled.clear()


def _inputs_after(step: _Step, name: str) -> set[str]:
    """Name what the stages behind one are given."""
    names = [*step.stages]
    behind = names[names.index(name) + 1 :]
    return {given for n in behind for given in step.stages[n].node.stage.inputs}


def _shares(
    prepared: Prepared,
    step: _Step,
    name: str,
    inputs: list[pl.DataFrame],
    buckets: range,
) -> list[pl.DataFrame]:
    """Take what each of some buckets gives to a fact, of all their rows."""
    given = step.stages[name].node.stage.inputs
    cluster = prepared.cluster
    apart = [
        df.join(prepared.buckets, on=cluster, maintain_order="left").partition_by(
            _BUCKET, as_dict=True, include_key=False
        )
        for df in inputs
    ]
    shares: list[pl.DataFrame] = []
    for bucket in buckets:
        for name_of, df, parts in zip(given, inputs, apart, strict=True):
            step.frames.filled[name_of] = parts.get((bucket,), df.clear())
        shares.append(step.share(name))
    return shares
