"""Features of the periods after the last one, made by the stages that made the rest.

A forecast is direct: of a period so many steps ahead, it is made of features that know
nothing younger than what is known then [1]_. So the stages after the panel are composed
once per step, and what they look back to lies a period further back with each.

References
----------
.. [1] Ben Taieb et al., "A Review and Comparison of Strategies for Multi-step Ahead
   Time Series Forecasting", Expert Systems with Applications 39(8), 2012.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import polars as pl

from pipeline.config import BaseConfig
from pipeline.errors import ConfigError
from pipeline.modeling.settings import STEP, Modeling
from pipeline.panel.periods import Every, Time, moved
from pipeline.plan.compose import compose, compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Stage
from pipeline.transforms import PastConfig


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """How one gets from a panel to the features of the periods after its last one."""

    panel: str
    features: str
    """The snapshots to start at and to make."""
    time: str
    """Column of both that says the period."""
    entity: list[str]
    """Columns of both that name the entity."""
    target: str
    """Column of the features that is not known yet."""
    known: list[str]
    """Columns of the panel that are known before their period."""
    every: Every
    """From one period to the next."""
    n_steps: int = 1
    """Periods that are forecast."""

    @property
    def steps(self) -> range:
        """How many periods ahead each of them is."""
        return range(1, self.n_steps + 1)

    @property
    def asked(self) -> list[str]:
        """The columns that say which period is forecast, and how many ahead it is."""
        return [self.time, *([STEP] if self.n_steps > 1 else [])]

    def extend(self, rows: pl.LazyFrame, step: int = 1) -> pl.LazyFrame:
        """Add a row in the period `step` ahead for every entity ever seen.

        It is a copy of one of the entity's, of that period. Of what is known before its
        period it holds the entity's last values; what else is arbitrary: no feature of
        a period may use the period. In any order; empty if `rows` is.
        """
        return self.extend_to(rows, self.time_ahead(rows, step))

    def extend_to(self, rows: pl.LazyFrame, period: pl.Expr) -> pl.LazyFrame:
        """Add a row in a period for every entity, as `extend` does."""
        in_order = rows.sort(self.time, *self.known) if self.known else rows
        one = in_order.with_columns(period).unique(
            self.entity, keep="last" if self.known else "any"
        )
        return pl.concat([rows, one])

    def rest(
        self,
        panel: pl.LazyFrame,
        stages: Sequence[Stage],
        others: Mapping[str, pl.LazyFrame] | None = None,
    ) -> list[Plan]:
        """Compose the stages after the panel, which is their source: once per step.

        The rows of other sources are beside it.
        """
        between = stages_between(stages, self.panel, self.features)
        rest = [compose(panel, ahead(between, step), others) for step in self.steps]
        if self.n_steps > 1 and STEP in rest[0].snapshots[self.features].schema:
            raise ConfigError(
                f"'{STEP}' is a column of snapshot '{self.features}'\n"
                f"expected: another name, as with `modeling.horizon: {self.n_steps}` it"
                " is that of how many periods ahead a row is\n"
                "hint: rename or drop it in a stage of configs/pipeline.yaml"
            )
        return rest

    def known_features(self, rows: pl.LazyFrame, rest: Sequence[Plan]) -> pl.DataFrame:
        """Make the features of all periods of the panel, at each step of the `rest`.

        In any order; with a column `STEP` if there are several.
        """
        return self._collected(
            compose_again(plan, rows, {}).snapshots[self.features].lf for plan in rest
        )

    def next_features(self, rows: pl.LazyFrame, rest: Sequence[Plan]) -> pl.DataFrame:
        """Make the features of the periods after the last one, for every entity.

        The `rest` of the stages make of the extended panel what they make of every
        other period. `rows` are columns of the panel; given are those of `features` but
        the target, and `STEP` if there are several. Entities that the stages leave out,
        such as those without a recent past, are not there. In any order.
        """
        return self._collected(
            self.features_ahead(rows, plan, step)
            for step, plan in zip(self.steps, rest, strict=True)
        )

    def features_ahead(self, rows: pl.LazyFrame, rest: Plan, step: int) -> pl.LazyFrame:
        """Make the features of one period, `step` ahead; see `next_features`."""
        extended = self.extend(rows, step)
        made = compose_again(rest, extended, {}).snapshots[self.features].lf
        then = rows.select(self.time_ahead(rows, step))
        return made.join(then, on=self.time, how="semi").drop(self.target)

    def periods_ahead(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """List the periods that are forecast: a row of `asked` for each."""
        is_one = self.n_steps == 1
        return pl.concat(
            rows.select(
                self.time_ahead(rows, step),
                *([] if is_one else [pl.lit(step, pl.Int64).alias(STEP)]),
            )
            for step in self.steps
        )

    def time_ahead(self, rows: pl.LazyFrame, step: int) -> pl.Expr:
        """Date a row so many periods after the last one, in the dtype of the column."""
        dtype = rows.collect_schema()[self.time]
        return moved(pl.col(self.time).max(), step, self.every, dtype)

    def period_ahead(self, rows: pl.DataFrame, step: int) -> Time:
        """Say which period is so many after the last one of some rows."""
        return rows.lazy().select(self.time_ahead(rows.lazy(), step)).collect().item()

    def _collected(self, frames: Iterable[pl.LazyFrame]) -> pl.DataFrame:
        """Lay the frames of all steps below each other.

        NOTE: Of 24 steps in one plan, Polars' optimizer took five times as long as of
        one after the other.
        """
        return self.stacked([lf.collect() for lf in frames])

    def stacked(self, made: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Lay what was made of each step below each other, and say of which it is."""
        if self.n_steps == 1:
            return made[0]
        return pl.concat(
            df.with_columns(pl.lit(step, pl.Int64).alias(STEP))
            for step, df in zip(self.steps, made, strict=True)
        )


def horizon_of(modeling: Modeling, panel_columns: Sequence[str]) -> Horizon:
    """Take the names of the configuration."""
    return Horizon(
        panel=modeling.panel,
        features=modeling.features,
        time=modeling.time,
        entity=modeling.entity,
        target=modeling.target,
        known=[name for name in modeling.known if name in panel_columns],
        every=modeling.every,
        n_steps=modeling.horizon,
    )


def ahead(stages: Sequence[Stage], step: int) -> list[Stage]:
    """Let stages know nothing younger than what is known so many periods ahead."""
    return [
        dataclasses.replace(stage, config=_ahead(stage.config, step))
        for stage in stages
    ]


def _ahead(config: BaseConfig, step: int) -> BaseConfig:
    """Set how far ahead a row is, where that is a setting."""
    if not isinstance(config, PastConfig):
        return config
    return msgspec.structs.replace(config, ahead=config.ahead + step - 1)


def stages_between(stages: Sequence[Stage], panel: str, features: str) -> list[Stage]:
    """Keep the stages that make the features of the panel, which is their source."""
    by_snapshot = {stage.snapshot: stage.name for stage in stages}
    first, last = by_snapshot[panel], by_snapshot[features]
    needed, kept = {last}, list[Stage]()
    for stage in reversed(stages):
        if stage.name not in needed or stage.name == first:
            continue
        if SOURCE in stage.inputs:
            raise ConfigError(
                f"stages: '{features}' is not made of snapshot '{panel}' alone\n"
                f"found: stage '{stage.name}', which reads the source beside it\n"
                f"expected: every stage before '{last}' to come after '{first}'\n"
                f"hint: publish a later stage as '{panel}', or give"
                f" '{stage.name}' other inputs in configs/pipeline.yaml"
            )
        needed |= set(stage.inputs)
        inputs = tuple(SOURCE if name == first else name for name in stage.inputs)
        kept.append(dataclasses.replace(stage, inputs=inputs))
    return kept[::-1]
