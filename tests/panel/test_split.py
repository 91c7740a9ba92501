"""What each transformation says of how its rows may be split is true of it.

One that says nothing is skipped: its rows are never split.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

import msgspec
import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.engine.parts.declared import split_of, try_split
from pipeline.panel.split import ROW_WISE, Split
from pipeline.plan.compose import compose
from pipeline.plan.settings import SOURCE, Stage, load_settings
from pipeline.transforms import load_transform, transform_names
from tests.conftest import GOLDEN, ROOT, without_added
from tests.transforms.panels import (
    PER_PERIOD,
    SECOND,
    SETTINGS,
    inputs_of,
    panel,
    stage_of,
)

# Beside the values of the shipped configuration and of the origin's, these are tried.
OTHERS = (
    "ratio_drg_facility_vs_year.lag=2",
    "lag_columns.periods=2",
    "rolling_columns={window: 3, min_samples: 2, by: row, drop_nulls: false}",
    "facilities.columns=[facility_name, apr_drg_description]",
)


@dataclass(frozen=True)
class Example:
    """A transformation with a configuration, the columns it is given, and makes.

    ``given`` are the rows it is given of the golden data.
    """

    stage: Stage
    schemas: tuple[pl.Schema, ...]
    output: pl.Schema
    given: tuple[pl.DataFrame, ...]


@cache
def examples() -> dict[str, list[Example]]:
    """Take the stages of the configured pipeline, per transformation, each once.

    And an example of those that it does not use.
    """
    found: dict[str, dict[bytes, Example]] = {}
    others = (*without_added(), *OTHERS)
    for profile, words in ((None, ()), ("origin", ()), (None, others)):
        words = ("source=csv", f"source.path={GOLDEN / 'raw.csv'}", *words)
        configured = load_settings(ROOT, profile=profile, overrides=words)
        scanned = sources.scan(configured.source, ROOT).frames()[0]
        plan = compose(scanned, configured.stages)
        frames = {SOURCE: scanned, **{n: node.lf for n, node in plan.nodes.items()}}
        of = dict(zip(frames, pl.collect_all([*frames.values()]), strict=True))
        for node in plan.nodes.values():
            stage = node.stage
            schemas = tuple(plan.schema(name) for name in stage.inputs)
            key = msgspec.json.encode(stage.config)
            given_ = tuple(of[name] for name in stage.inputs)
            example = Example(stage, schemas, node.schema, given_)
            found.setdefault(stage.transform.name, {}).setdefault(key, example)
    for name in SETTINGS:
        stage, df = stage_of(name), panel(30)
        frames_ = tuple(inputs_of(name, df))
        output = stage.apply(*[of.lazy() for of in frames_]).collect_schema()
        schemas = tuple(of.schema for of in frames_)
        example = Example(stage, schemas, output, frames_)
        found[name] = {b"": example}
    return {name: list(those.values())[:3] for name, those in found.items()}


def rows(schema: pl.Schema, n_rows: int, rng: random.Random) -> pl.DataFrame:
    """Make up rows: few distinct values, so that many rows agree; nulls everywhere."""

    def values(dtype: pl.DataType) -> list[Any]:
        some: list[Any] = ["a", "b", "c"]
        if dtype == pl.Int32:  # codes
            some = [0, 1, 2, 3]
        elif dtype.is_integer():  # weights
            some = [1, 2, 400, 3000]
        elif dtype == pl.Date:
            some = [date(2024, 1, day) for day in (1, 2, 8, 29)]
        elif dtype.is_float():
            some = [0.1, 1 / 3, -7.25e6, 2.0, 1e9 / 7]
        return rng.choices([None, *some, *some], k=n_rows)

    return pl.DataFrame({n: values(t) for n, t in schema.items()}, schema=schema)


def bits(df: pl.DataFrame) -> pl.DataFrame:
    """Sort rows of which nothing is lost: not the sign of a zero either."""
    floats = cs.by_dtype(pl.Float64).reinterpret(dtype=pl.Int64)
    return df.with_columns(floats).sort(pl.all())


def parted(
    frames: Sequence[pl.DataFrame],
    n_parts: int,
    column: str | None,
    rng: random.Random,
) -> list[list[pl.LazyFrame]]:
    """Split the rows of frames at random, those of a value of a column together.

    Each part has about half the rows of the one before, so that some are small.
    """
    parts: list[list[pl.LazyFrame]] = [[] for _ in range(n_parts)]
    numbered, shares = range(n_parts), [0.5**number for number in range(n_parts)]
    part_of: dict[Any, int] = {}
    for df in frames:
        numbers = [
            part_of.setdefault(value, rng.choices(numbered, shares)[0])
            for value in (df[column] if column else range(df.height))
        ]
        for number, part in enumerate(parts):
            chosen = pl.Series(numbers, dtype=pl.Int64) == number
            part.append(df.filter(chosen).lazy())
    return parts


def refute(
    stage: Stage, split: Split, parts: list[list[pl.LazyFrame]], column: str | None
) -> None:
    """Fail if the parts of a stage's rows are not together what the whole gives."""
    wholes = [pl.concat(frames) for frames in zip(*parts, strict=True)]
    expected = stage.apply(*wholes)
    facts: dict[str, pl.LazyFrame] = {}
    if split.fact is not None:
        partials = [split.fact.partial(*part, stage.config) for part in parts]
        merged = split.fact.merge(pl.concat(partials), stage.config)
        facts = {stage.name: merged.collect().lazy()}
    if split.is_whole:
        outputs = [facts[stage.name].collect()]
    elif split.fact is not None:
        assert split.fact.apply is not None
        fact = facts[stage.name]
        outputs = pl.collect_all(
            [split.fact.apply(*part, fact, stage.config) for part in parts]
        )
    else:
        outputs = pl.collect_all([stage.apply(*part) for part in parts])
    whole = expected.collect()
    for output in outputs:
        assert output.schema == whole.schema
    assert_frame_equal(bits(pl.concat(outputs)), bits(whole))
    if column is None or column not in whole.columns or split.is_whole:
        return
    for part, output in zip(parts, outputs, strict=True):
        given = [lf.select(column).collect().to_series() for lf in part]
        kept = output[column].is_in(pl.concat(given).implode(), nulls_equal=True)
        assert kept.all(), f"{column} of a part has values that are not the part's"


def hold(example: Example, split: Split) -> None:
    """Split random rows, and real ones, in every way that a declaration allows.

    Random rows are few, with what real ones hold seldom: nulls, and values that agree.

    Raises
    ------
    AssertionError
        In the words of the one who made the transformation.
    """
    __tracebackhide__ = True
    try:
        hold_of_random_rows(example, split)
        for column in split.keys or (None,):
            parts = parted(example.given, 8, column, random.Random(0))
            refute(example.stage, split, parts, column)
    except AssertionError as error:
        stage = example.stage
        raise AssertionError(
            f"{stage.transform.file}: `split` is not true of stage"
            f" '{stage.name}'; a run part by part would publish wrong rows\n"
            f"found: it says {described(split)}; but with random rows split so, the"
            f" parts together do not give what all rows give:\n{error}\n"
            "hint: say in `split` which rows must stay together, Split(keys=...), or"
            " what must be known of all rows, Split(fact=...); see"
            " `pipeline/panel/split.py`. Without it, the transformation only runs whole"
        ) from None


def described(split: Split) -> str:
    """Say what a declaration promises."""
    if split == ROW_WISE:
        return "ROW_WISE, that any row may be apart from any other"
    if not split.keys:
        return "that any row may be apart, with a fact of all rows"
    keys = " or ".join(f"'{key}'" for key in split.keys)
    return f"that rows may be apart which differ in {keys}"


def hold_of_random_rows(example: Example, split: Split) -> None:
    """Refute a declaration by few random rows, or not."""
    stage = example.stage

    @given(
        n_rows=st.integers(0, 30), n_parts=st.integers(1, 4), seed=st.integers(0, 9999)
    )
    @settings(
        max_examples=5,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        report_multiple_bugs=False,
    )
    def holds(n_rows: int, n_parts: int, seed: int) -> None:
        rng = random.Random(seed)
        frames = [rows(schema, n_rows, rng) for schema in example.schemas]
        if stage.transform.name in PER_PERIOD:
            entity: Any = stage.config
            frames = [
                df.unique(
                    [*entity.keys, entity.time], keep="first", maintain_order=True
                )
                for df in frames
            ]
        if stage.transform.name in SECOND:
            keys, _ = SECOND[stage.transform.name]
            frames[1] = frames[1].unique(keys, keep="first", maintain_order=True)
        for column in split.keys or (None,):
            parts = parted(frames, n_parts, column, rng)
            refute(stage, split, parts, column)

    holds()


@pytest.mark.parametrize("name", transform_names())
def test_parts_are_together_what_the_whole_gives(name: str) -> None:
    if load_transform(name).split is None:
        pytest.skip(f"pipeline/transforms/{name}.py has no `split`: it only runs whole")
    found = examples().get(name)
    assert found, (
        f"pipeline/transforms/{name}.py: no stage of configs/pipeline.yaml uses it, so"
        " that nothing tells whether its rows may be split as it says: make one, or"
        " a line in OTHERS that gives a stage this transformation"
    )
    for example in found:
        split = split_of(example.stage)
        try_split(example.stage, split, example.schemas, example.output)
        hold(example, split)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda lf, _: lf.head(1000),
        lambda lf, _: lf.with_columns(is_many=pl.len() > 100),
        lambda lf, _: lf.with_columns(
            of_one=pl.when(pl.col("apr_drg_code") == 53).then(
                pl.col("discharges").max()
            )
        ),
        lambda lf, _: lf.with_columns(
            of_large=pl.when(pl.col("discharges") > 1000).then(pl.len())
        ),
    ],
    ids=["head", "len", "code", "large"],
)
def test_what_shows_only_in_many_or_real_rows_is_found(
    wrong: Callable[..., pl.LazyFrame],
) -> None:
    [example, *_] = examples()["product"]
    transform = replace(example.stage.transform, apply=wrong)
    spoilt = replace(example, stage=replace(example.stage, transform=transform))
    with pytest.raises(AssertionError, match="`split` is not true"):
        hold(spoilt, ROW_WISE)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("lag_columns", ROW_WISE),
        ("rolling_columns", Split(keys=("year",))),
        ("aggregate_weighted", ROW_WISE),
        ("share_of_categories", Split(keys=("facility_id",))),
        ("size_bin", ROW_WISE),
        ("drop_rare", Split(keys=("facility_id",))),
        ("latest_values", Split(keys=("year",))),
    ],
)
def test_wrong_declaration_is_found(name: str, wrong: Split) -> None:
    [example, *_] = examples()[name]
    with pytest.raises(AssertionError, match=rf"{name}\.py: `split` is not true"):
        hold(example, wrong)
