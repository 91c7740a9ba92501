"""What a transformation says of how its rows may be split is refused where it cannot be
true, before any row is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.engine.parts.sizes import row_bytes
from pipeline.errors import ConfigError, SnapshotError
from pipeline.panel.split import ROW_WISE, Fact, Split
from pipeline.plan.compose import compose
from pipeline.plan.settings import SOURCE
from pipeline.plan.wiring import Selection
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from pipeline.transforms import drop_present as last
from pipeline.transforms import latest_values, load_transform
from tests.engine.conftest import make
from tests.engine.parts.test_layout import SALES, lag, layout_of, names_of, times

Another = Callable[[], Path]

pytestmark = pytest.mark.usefixtures("fresh_transforms")


def item(lf: pl.LazyFrame, _: Any) -> pl.LazyFrame:
    return lf.select("item")


def no_column(lf: pl.LazyFrame, _: Any) -> pl.LazyFrame:
    return lf.select("itm")


def eager(lf: pl.LazyFrame, _: Any) -> Any:
    return lf.collect()


def as_given(lf: pl.LazyFrame, _: pl.LazyFrame, __: Any) -> pl.LazyFrame:
    return lf


def declare(split: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Say of a stage how its rows may be split; return what is then refused."""
    monkeypatch.setattr("pipeline.transforms.product.split", split)
    with pytest.raises(ConfigError) as caught:
        layout_of(times("a", "item", name="first", inputs=(SOURCE,)))
    message = str(caught.value)
    assert message.startswith("stage 'first' (pipeline/transforms/product.py): ")
    assert message.splitlines()[-1].startswith("hint: see `pipeline/panel/split.py`")
    return message


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        (None, ["does not say how", "expected: a function `split(config) -> Split`"]),
        (ROW_WISE, ["`split` fails", "TypeError: 'Split' object is not callable"]),
        (lambda: ROW_WISE, ["`split` fails", "takes 0 positional arguments but 1"]),
        (lambda c: c.nothing, ["AttributeError: 'Config' object has no attribute"]),
        (lambda _: None, ["`split` gives no Split", "type NoneType"]),
        (
            lambda _: ["store"],
            ["`split` gives no Split", "found: a value of type list"],
        ),
    ],
    ids=["none", "no-function", "no-argument", "raises", "nothing", "list"],
)
def test_split_that_is_none_is_one_error(
    monkeypatch: pytest.MonkeyPatch, split: object, parts: list[str]
) -> None:
    message = declare(split, monkeypatch)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        (Split(keys="store"), ["keys='store'", "such as keys=('store',)"]),  # pyright: ignore[reportArgumentType]
        (Split(keys=["store"]), ["keys=['store']", "expected: a tuple of names"]),  # pyright: ignore[reportArgumentType]
        (Split(fact=item), ["`fact` of its Split is none", "type function"]),  # pyright: ignore[reportArgumentType]
        (
            Split(keys=("stor",)),
            ["no column of 'source'; did you mean 'store'?", "found: store, item"],
        ),
        (
            Split(fact=Fact(no_column, item)),
            ["`partial` of its Split's fact fails", "ColumnNotFoundError: ", '"itm"'],
        ),
        (
            Split(fact=Fact(item, lambda lf: lf)),
            ["`merge` of its Split's fact fails", "takes 1 positional argument but 2"],
        ),
        (
            Split(fact=Fact(item, eager)),
            ["`merge` of its Split's fact fails", "TypeError: gives a DataFrame"],
        ),
        (
            Split(fact=Fact(item, item, no_column)),
            ["`apply` of its Split's fact fails", "apply(lf, ..., fact, config)"],
        ),
        (
            Split(fact=Fact(item, item, as_given)),
            ["does not make what the transformation makes", "note (String)\nexpected:"],
        ),
        (
            Split(fact=Fact(item, item)),
            ["does not make what the transformation makes", "found: item (Int64)\n"],
        ),
    ],
    ids=[
        *("text", "list", "no-fact", "no-column"),
        *("partial", "merge", "eager", "apply", "columns", "small-table"),
    ],
)
def test_split_that_cannot_be_true_is_one_error(
    monkeypatch: pytest.MonkeyPatch, split: Split, parts: list[str]
) -> None:
    message = declare(lambda _: split, monkeypatch)
    assert all(part in message for part in parts), message


def test_run_in_one_pass_minds_no_split_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.transforms.product.split", ROW_WISE)
    plan = compose(
        pl.LazyFrame(schema=SALES), [times("a", name="first", inputs=(SOURCE,))]
    )
    assert row_bytes(plan) == 2 * 24 + 4 * 8


def with_rows(
    lf: pl.LazyFrame, other: pl.LazyFrame, config: last.Config
) -> pl.LazyFrame:
    """Put the rows of a small table behind those of the features."""
    return pl.concat([_drop_present(lf, config), other], how="diagonal")


_drop_present = last.drop_present


def test_small_tables_go_on_as_in_one_pass_or_are_refused(
    another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last, last.drop_present.__name__, with_rows)
    words = [
        "stages.drop_non_lag_columns.inputs=[rolling_columns, facilities]",
        "checks.features.warn=[key, not_null]",
        "facilities.columns=[facility_name, apr_drg_code, discharges]",
        "stages.large={transform: drop_rare, inputs: [facilities]}",
        "large={category: facility_id, weight: apr_drg_code, time: discharges}",
        "large={min_total: 600, reference_periods: null}",
        *("stages.large.snapshot=large", "stages.large.key=[facility_id]"),
    ]
    expected = make(another(), *words, "engine.partitions=1").frames
    found = make(another(), *words, "engine.partitions=3").frames
    assert 0 < expected["large"].height < expected["facilities"].height
    for name in ("facilities", "large"):
        assert_frame_equal(found[name], expected[name], check_exact=True)
    assert_frame_equal(
        *(frames["features"].sort(pl.all()) for frames in (found, expected)),
        check_exact=True,
    )
    words[0] = "stages.drop_non_lag_columns.inputs=[rolling_columns, drgs]"
    with pytest.raises(ConfigError, match="is given the small table 'drgs'") as caught:
        make(another(), *words, "engine.partitions=3")
    assert "split by 'facility_id', a column it lacks" in str(caught.value)


def test_small_table_made_of_rows_beside_one_without_the_column_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def latest(lf: pl.LazyFrame, *others: Any) -> pl.LazyFrame:
        return apply(lf, others[-1])

    apply = latest_values.latest_values
    fact = Fact(
        lambda lf, *others: lf.select(*others[-1].keys, *others[-1].columns, "month"),
        apply,
    )
    monkeypatch.setattr(latest_values, "latest_values", latest)
    monkeypatch.setattr(latest_values, "split", lambda _: Split(fact=fact))
    names = names_of("note", inputs=(SOURCE,), name="names")
    prices = names_of("price", "item", inputs=(SOURCE, "names"), name="prices")
    by_store = lag("store", keys=["store", "item"], inputs=(SOURCE,))
    with pytest.raises(ConfigError, match="'prices' is given the small table 'names'"):
        layout_of(names, prices, by_store)


def test_other_rows_than_before_are_refused_until_the_object_is_removed(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(small)
    state = {p: p.stat().st_mtime_ns for p in small.rglob("objects/*/*")}
    # Not true: each part now judges by its own rows which DRGs are rare.
    monkeypatch.setattr("pipeline.transforms.drop_rare.split", lambda _: ROW_WISE)
    load_transform.cache_clear()
    with pytest.raises(SnapshotError, match="not the same as before") as caught:
        make(small, "engine.partitions=3", selection=Selection(force=True))
    message = str(caught.value)
    # The features are made of other rows, so that nothing speaks against theirs.
    assert message.startswith("snapshot 'facility_drg_year': computed")
    n_before = whole.frames["facility_drg_year"].height
    assert f"before, {n_before:,} rows, content" in message
    assert "nothing was published" in message
    assert {p: p.stat().st_mtime_ns for p in small.rglob("objects/*/*")} == state

    named = [small / line.strip() for line in message.splitlines()[-2:]]
    assert {path.parent.name for path in named} == {"facility_drg_year"}
    for path in named:
        path.unlink()
    after = make(small, "engine.partitions=3")
    n_rows = after.frames["facility_drg_year"].height
    assert n_rows != n_before
    with connect(open_store(small)) as con:
        for schema, made in {"": after, "previous.": whole}.items():
            panel = con.execute(f"SELECT count(*) FROM {schema}facility_drg_year")
            assert panel.fetchall() == [(n_rows,)]
            features = con.execute(f"SELECT count(*) FROM {schema}features")
            assert features.fetchall() == [(made.frames["features"].height,)]
