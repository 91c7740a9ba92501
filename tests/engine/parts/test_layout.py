"""What is computed in which round."""

from collections.abc import Iterable
from typing import Any

import polars as pl
import pytest

from pipeline import sources
from pipeline.engine.parts.layout import Layout, Round, lay_out
from pipeline.errors import ConfigError
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Stage, load_settings
from pipeline.transforms import load_transform
from tests.conftest import PROJECT

SALES = {
    "store": pl.String(),
    "item": pl.Int64(),
    "month": pl.Int64(),
    "n": pl.Int64(),
    "price": pl.Float64(),
    "note": pl.String(),
}


def stage(
    transform: str, *key: str, name: str = "", inputs: tuple[str, ...], **config: Any
) -> Stage:
    """Use a transformation; the one with a key is published."""
    loaded = load_transform(transform)
    name = name or transform
    snapshot = name if key else None
    made = loaded.config(**config)
    return Stage(name, loaded, inputs, made, snapshot, key)


def times(column: str, *key: str, name: str, inputs: tuple[str, ...]) -> Stage:
    """Multiply the price into a column: row-wise."""
    return stage(
        "product", *key, name=name, inputs=inputs, factor="price", by="n", column=column
    )


def lag(*key: str, keys: list[str], inputs: tuple[str, ...], name: str = "") -> Stage:
    return stage(
        "lag_columns",
        *key,
        name=name,
        inputs=inputs,
        keys=keys,
        time="month",
        every=1,
        columns=["n"],
        periods=1,
        by="calendar",
        suffix="_before",
    )


def names_of(column: str, *key: str, inputs: tuple[str, ...], name: str) -> Stage:
    """Take the latest value of a column per item: a small table."""
    return stage(
        "latest_values",
        *key,
        name=name,
        inputs=inputs,
        keys=["item"],
        columns=[column],
        time="month",
    )


def layout_of(
    *stages: Stage, given: Iterable[str] = (SOURCE,), plan: Plan | None = None
) -> Layout:
    """Lay out all stages of sales."""
    plan = plan or compose(pl.LazyFrame(schema=SALES), stages)
    published = [s.name for s in stages if s.snapshot]
    return lay_out(plan, [s.name for s in stages], given, published)


def shipped() -> Plan:
    settings = load_settings(PROJECT)
    return compose(sources.declared(settings.source, settings.root), settings.stages)


def test_shipped_pipeline_takes_four_rounds_over_its_facilities() -> None:
    plan = shipped()
    profits = tuple(plan.nodes)[4:10]  # median_profit to total_mean_cost
    layout = layout_of(*(n.stage for n in plan.nodes.values()), plan=plan)
    assert layout.column == "facility_id"
    assert layout.wholes == ("drgs", "facilities")
    assert layout.rounds == (
        Round(
            starts=(SOURCE,),
            stages=("sanitize_column_names", "drop_description_columns", *profits),
            spills=("drop_description_columns",),
            facts=("drgs", "facilities", "drop_rare_drgs"),
            snapshots=(),
            counts=("sanitize_column_names",),
        ),
        Round(
            starts=("drop_description_columns",),
            stages=(*profits, "drop_rare_drgs", "agg_severities"),
            spills=("agg_severities",),
            facts=("ratio_drg_facility_vs_year",),
            snapshots=("total_mean_cost",),
            counts=("drop_rare_drgs", "agg_severities"),
        ),
        Round(
            starts=("agg_severities",),
            stages=("ratio_drg_facility_vs_year",),
            spills=("ratio_drg_facility_vs_year",),
            facts=("yearly_discharge_bin",),
            snapshots=(),
            counts=("ratio_drg_facility_vs_year",),
        ),
        Round(
            starts=("ratio_drg_facility_vs_year",),
            stages=tuple(plan.nodes)[-4:],
            spills=(),
            facts=(),
            snapshots=("yearly_discharge_bin", "drop_non_lag_columns"),
            counts=("yearly_discharge_bin", "lag_columns", "rolling_columns"),
        ),
    )


def test_start_at_a_snapshot_splits_its_rows_and_goes_on_from_them() -> None:
    plan = shipped()
    behind = [plan.nodes[name].stage for name in tuple(plan.nodes)[-3:]]
    layout = layout_of(*behind, given=["yearly_discharge_bin"], plan=plan)
    first, second = layout.rounds
    assert first.spills == first.starts == ("yearly_discharge_bin",)
    assert first.stages == first.counts == first.facts == ()
    assert second.starts == ("yearly_discharge_bin",)
    assert second.stages == tuple(s.name for s in behind)
    assert second.snapshots == ("drop_non_lag_columns",)


def test_row_wise_stages_are_split_by_the_first_column_of_the_key() -> None:
    layout = layout_of(
        times("a", name="first", inputs=(SOURCE,)),
        times("b", "item", "store", "month", name="last", inputs=("first",)),
    )
    assert layout.column == "item"
    first, second = layout.rounds
    assert (first.spills, first.stages) == ((SOURCE,), ())
    assert second.starts == (SOURCE,)
    assert second.stages == ("first", "last")
    assert second.snapshots == ("last",)


def test_what_makes_rows_narrower_is_done_before_they_are_split() -> None:
    layout = layout_of(
        stage("drop_columns", "store", inputs=(SOURCE,), columns=[], suffixes=["note"]),
        lag("store", keys=["store"], inputs=("drop_columns",)),
    )
    first, second = layout.rounds
    assert first.spills == ("drop_columns",)
    # It is published, too: from the rows that are split.
    assert second.starts == ("drop_columns",)
    assert second.snapshots == ("drop_columns", "lag_columns")


def test_what_makes_the_column_is_done_before_rows_are_split_by_it() -> None:
    layout = layout_of(
        times("a", name="before", inputs=(SOURCE,)),
        times("item", name="makes", inputs=("before",)),
        times("b", name="behind", inputs=("makes",)),
        lag("item", "month", keys=["item"], inputs=("behind",)),
    )
    first, second = layout.rounds
    assert first.stages == ("before", "makes")
    assert first.spills == ("makes",)
    assert second.stages == ("behind", "lag_columns")


def test_column_made_anew_once_rows_are_split_by_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="stage 'makes' makes 'item' anew") as caught:
        layout_of(
            lag(keys=["item"], inputs=(SOURCE,)),
            times("item", "item", name="makes", inputs=("lag_columns",)),
        )
    assert "engine.partitions=1" in str(caught.value)


def test_small_table_alone_needs_no_split() -> None:
    layout = layout_of(names_of("note", "item", inputs=(SOURCE,), name="notes"))
    [only] = layout.rounds
    assert (only.spills, only.facts) == ((), ("notes",))
    assert layout.wholes == ("notes",)


def test_small_table_of_grouped_rows_is_told_by_the_parts() -> None:
    layout = layout_of(
        lag(keys=["store"], inputs=(SOURCE,)),
        names_of("n_before", "item", inputs=("lag_columns",), name="latest"),
    )
    first, second = layout.rounds
    assert (first.facts, second.facts) == ((), ("latest",))
    assert second.stages == ("lag_columns",)


def test_fact_that_needs_rows_together_is_not_told_by_slices_of_the_source() -> None:
    ratio = stage(
        "share_of_categories",
        "store",
        inputs=(SOURCE,),
        time="month",
        every=1,
        entity="store",
        category="item",
        entity_count="a",
        time_count="b",
        ratio="c",
        lag=0,
        suffix="",
    )
    layout = layout_of(ratio)
    assert [r.facts for r in layout.rounds] == [(), (ratio.name,), ()]
    assert [r.starts for r in layout.rounds] == [(SOURCE,)] * 3


def test_no_column_that_all_groupings_have_is_an_error_with_their_keys() -> None:
    with pytest.raises(ConfigError, match="no column by which") as caught:
        layout_of(
            lag(name="by_store", keys=["store"], inputs=(SOURCE,)),
            lag("item", name="by_item", keys=["item"], inputs=(SOURCE,)),
        )
    assert "  by_store: store\n  by_item: item\n" in str(caught.value)
    assert "hint: run it whole: engine=polars engine.partitions=1" in str(caught.value)


def test_rows_without_the_column_are_an_error_that_lists_theirs() -> None:
    narrow = stage("drop_columns", inputs=(SOURCE,), columns=["store"], suffixes=[])
    with pytest.raises(ConfigError, match="no column 'store' to split") as caught:
        layout_of(
            narrow,
            times("a", "item", name="branch", inputs=(narrow.name,)),
            lag("store", keys=["store"], inputs=(SOURCE,)),
        )
    assert "found: item, month, n, price, note" in str(caught.value)
