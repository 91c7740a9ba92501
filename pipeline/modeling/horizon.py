"""Features of the period after the last one, made by the stages that made the rest."""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec
import polars as pl

from pipeline.errors import ConfigError
from pipeline.modeling.settings import Modeling
from pipeline.panel.periods import Every, moved
from pipeline.plan.compose import compose, compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Stage


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """How one gets from a panel to the features of the period after its last one."""

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

    def extend(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Add a row in the period after the last one for every entity ever seen.

        It is a copy of one of the entity's, of the period after the last. Of what is
        known before its period it holds the entity's last values; what else is
        arbitrary: no feature of a period may use the period. In any order; empty if
        `rows` is.
        """
        in_order = rows.sort(self.time, *self.known) if self.known else rows
        one = in_order.with_columns(self.next_time(rows)).unique(
            self.entity, keep="last" if self.known else "any"
        )
        return pl.concat([rows, one])

    def rest(
        self,
        panel: pl.LazyFrame,
        stages: Sequence[Stage],
        others: Mapping[str, pl.LazyFrame] | None = None,
    ) -> Plan:
        """Compose the stages after the panel, which is their source, beside others."""
        between = stages_between(stages, self.panel, self.features)
        return compose(panel, between, others)

    def next_features(self, rows: pl.LazyFrame, rest: Plan) -> pl.LazyFrame:
        """Make the features of the period after the last one, for every entity.

        The `rest` of the stages make of the extended panel what they make of every
        other period. `rows` are columns of the panel; given are those of `features` but
        the target. Entities that the stages leave out, such as those without a recent
        past, are not there. In any order.
        """
        made = compose_again(rest, self.extend(rows), {}).snapshots[self.features].lf
        after = rows.select(self.next_time(rows))
        return made.join(after, on=self.time, how="semi").drop(self.target)

    def next_time(self, rows: pl.LazyFrame) -> pl.Expr:
        """Date a row by the period after the last one, in the dtype of the column."""
        dtype = rows.collect_schema()[self.time]
        return moved(pl.col(self.time).max(), 1, self.every, dtype)


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
    )


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
