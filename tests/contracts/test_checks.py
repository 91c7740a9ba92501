"""Contracts: mistakes found without data, rows counted as a plain loop does."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import sources
from pipeline.contracts.checks import (
    compile_contract,
    count_failures,
    outcomes_of,
    sample_failures,
)
from pipeline.contracts.contract import Contract
from pipeline.engine.one_pass import snapshot_frames
from pipeline.errors import SchemaError
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings
from tests.contracts.conftest import KEY, SCHEMA, contract, frame

ENGINES = ("streaming", "in-memory")


def outcomes(
    df: pl.DataFrame, previous_n_rows: int | None = None, **fields: object
) -> dict[str, int]:
    """Count failures on both engines, which must agree."""
    checks = compile_contract(contract(**fields), df.schema, KEY, previous_n_rows)
    counted: list[dict[str, int]] = []
    for engine in ENGINES:
        counts = count_failures(df.lazy(), checks).collect(
            engine=cast("Literal['streaming', 'in-memory']", engine)
        )
        counted.append({o.name: o.n_failures for o in outcomes_of(checks, counts)})
    assert counted[0] == counted[1]
    return counted[0]


def mistakes(**fields: object) -> list[str]:
    """List what is wrong with a contract on `SCHEMA`."""
    with pytest.raises(SchemaError) as caught:
        compile_contract(contract(**fields), SCHEMA, KEY, at="checks.wards")
    first, *lines = str(caught.value).splitlines()
    assert first.startswith(f"checks.wards: {len(lines) - 2} mistake")
    assert lines[-2].startswith("found: year Int64, ward String, n Int16")
    assert lines[-1].startswith("hint: ")
    return [line.strip() for line in lines[:-2]]


NAN, INF = math.nan, math.inf
ROWS = frame(
    (2009, "a", 1, 10.0),
    (2009, "a", 2, -0.5),
    (2009, "b", None, NAN),
    (2010, "a", 4, None),
    (2010, None, 5, INF),
    (2010, "a", 6, 7.0),
    (2010, "a", 7, 7.0),
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"key": True}, {"key": 4}),  # three repeat the row above, one is null
        ({"not_null": ["n", "cost"]}, {"not_null.n": 1, "not_null.cost": 1}),
        ({"finite": True}, {"finite.cost": 2}),
        ({"ranges": {"n": {"min": 2}}}, {"ranges.n": 1}),
        ({"ranges": {"n": {"min": 2.5, "max": 100_000}}}, {"ranges.n": 2}),
        ({"ranges": {"cost": {"min": 0}}}, {"ranges.cost": 2}),  # NaN
        ({"ranges": {"cost": {"max": 7}}}, {"ranges.cost": 3}),
        ({"values": {"n": [1, 2, 4, 5, 6]}}, {"values.n": 1}),
        ({"values": {"ward": ["a"]}}, {"values.ward": 1}),
        ({"values": {"cost": [7, -0.5, 10]}}, {"values.cost": 2}),
        ({"rows": {"exact": 7}}, {"rows.exact": 0}),
        ({"rows": {"exact": 10}}, {"rows.exact": 3}),
        ({"rows": {"min": 9, "max": 12}}, {"rows.min": 2, "rows.max": 0}),
        ({"rows": {"min": 1, "max": 5}}, {"rows.min": 0, "rows.max": 2}),
        ({"sql": {"x": "n < 5"}}, {"sql.x": 3}),  # null is not false
        ({"sql": {"x": "coalesce(n < 5, false)"}}, {"sql.x": 4}),
        ({"sql": {"x": "cost <= 7"}}, {"sql.x": 3}),  # NaN is greater
        ({"sql": {"x": "ward = 'b' or n in (1, 2, 4)"}}, {"sql.x": 2}),
        ({"columns": {"n": "Int16"}}, {"columns.n": 0}),
        ({"required": ["n", "n"]}, {"required.n": 0}),
        ({"required": ["m"], "warn": ["required"]}, {"required.m": 1}),
        ({"columns": {"n": "Int8"}, "warn": ["columns.n"]}, {"columns.n": 1}),
    ],
    ids=str,
)
def test_rows_that_break_a_check_are_counted(
    fields: dict[str, Any], expected: dict[str, int]
) -> None:
    assert outcomes(ROWS, **fields) == expected


@pytest.mark.parametrize(
    ("n_rows", "previous", "change", "expected"),
    [
        (129, 100, 0.29, 0),  # 0.29 * 100 is less than 29 in floats
        (130, 100, 0.29, 30),
        (71, 100, 0.29, 0),
        (70, 100, 0.29, 30),
        (100, 100, 0, 0),
        (101, 100, 0, 1),
        (5, 0, 0.2, 0),
        (5, None, 0.2, 0),
    ],
)
def test_change_is_measured_against_the_run_before(
    n_rows: int, previous: int | None, change: float, expected: int
) -> None:
    df = frame(*[(year, "a", 1, 1.0) for year in range(n_rows)])
    counted = outcomes(df, previous, rows={"change": change})
    assert counted == {"rows.change": expected}


def test_nothing_fails_on_no_rows() -> None:
    fields = {
        "key": True,
        "not_null": ["n"],
        "finite": True,
        "ranges": {"n": {"min": 2}},
        "values": {"ward": ["a"]},
        "sql": {"x": "n < 5"},
        "rows": {"max": 0},
    }
    assert set(outcomes(frame(), **fields).values()) == {0}


def test_a_row_s_dtype_may_be_named_with_or_without_its_parameters() -> None:
    full = "Datetime(time_unit='us', time_zone=None)"
    for name in ("Datetime", full):
        [check] = compile_contract(contract(columns={"seen": name}), SCHEMA, KEY)
        assert check.description == f"seen to be {name}"


def test_null_takes_a_check_of_an_earlier_layer_out() -> None:
    none = {"columns": {"z": None}, "ranges": {"z": None}, "values": {"z": None}}
    empty = contract(sql={"z": None}, rows={"min": None}, **none)
    assert compile_contract(empty, SCHEMA, KEY) == []
    assert outcomes_of([], pl.DataFrame()) == []


def test_the_key_is_checked_unless_told_otherwise() -> None:
    assert [c.name for c in compile_contract(Contract(), SCHEMA, KEY)] == ["key"]


cells = st.sampled_from([None, 0, 1, 2])
floats = st.sampled_from([None, 0.0, -0.0, 1.0, NAN])
keys = st.tuples(cells, floats)


@given(st.lists(st.tuples(cells, floats, st.sampled_from([None, 1.5, -INF, NAN, 3.0]))))
def test_a_plain_loop_finds_the_same_rows(
    rows: list[tuple[int | None, float | None, float | None]],
) -> None:
    schema = {"i": pl.Int64, "f": pl.Float64, "v": pl.Float64}
    df = pl.DataFrame(rows, schema=schema, orient="row").sort("i", "f")
    terms = contract(
        key=True,
        not_null=["v"],
        finite=True,
        ranges={"v": {"min": 0, "max": 2}},
        values={"i": [0, 2]},
        sql={"x": "i < f"},
        warn=["sql", "finite.v"],
    )

    def is_no_key(key: tuple[int | None, float | None]) -> bool:
        return None in key or math.isnan(cast("float", key[1]))

    good = [row[:2] for row in rows if not is_no_key(row[:2])]
    values = [row[2] for row in rows]
    expected = {
        "key": len(rows) - len(set(good)),
        "not_null.v": values.count(None),
        "finite.f": sum(f is not None and not math.isfinite(f) for _, f, _ in rows),
        "finite.v": sum(v is not None and not math.isfinite(v) for v in values),
        "ranges.v": sum(v is not None and not 0 <= v <= 2 for v in values),
        "values.i": sum(i not in (None, 0, 2) for i, _, _ in rows),
        "sql.x": sum(
            i is not None and f is not None and not (i < f or math.isnan(f))
            for i, f, _ in rows
        ),
    }
    checks = compile_contract(terms, df.schema, ["i", "f"])
    for engine in ENGINES:
        engine = cast("Literal['streaming', 'in-memory']", engine)
        counts = count_failures(df.lazy(), checks).collect(engine=engine)
        found = outcomes_of(checks, counts)
        assert {o.name: o.n_failures for o in found} == expected
        assert [o.passed for o in found] == [n == 0 for n in expected.values()]
        warned = {o.name for o in found if o.severity == "warn"}
        assert warned == {"sql.x", "finite.v"}
        for c in checks:
            sample = sample_failures(df.lazy(), c, ["i", "f"], n_rows=3)
            n_taken = sample.collect(engine=engine).height
            assert n_taken == min(3, expected[c.name])


def test_all_mistakes_are_found_at_once_and_without_data() -> None:
    assert mistakes(
        columns={"n": "Int64", "coast": "Float64", "ward": "Strin"},
        required=["wart"],
        not_null=["coost"],
        ranges={"ward": {"min": 0}, "yaer": {"min": 0}},
        values={"n": [1, 70_000, 1.5, "1", True], "seen": ["2020-01-01"], "x": [1]},
        sql={"a": "cots > 0", "b": "n > "},
        warn=["ranges.wart", "rows"],
    ) == [
        "columns.n: expected Int64, found Int16",
        "columns.coast: no such column, found 'coast'; did you mean 'cost'?",
        "columns.ward: no such dtype, found 'Strin'; did you mean 'String'?",
        "required.wart: no such column, found 'wart'; did you mean 'ward'?",
        "not_null.coost: no such column, found 'coost'; did you mean 'cost'?",
        "ranges.ward: expected a column of numbers, found String",
        "ranges.yaer: no such column, found 'yaer'; did you mean 'year'?",
        "values.n: expected values of a Int16, found 70000, 1.5, '1', True",
        "values.seen: expected values of a Datetime(time_unit='us', time_zone=None), "
        "found '2020-01-01'",
        "values.x: no such column, found 'x'",
        "sql.a: no such column, found 'cots'; did you mean 'cost'?",
        "sql.b: expected SQL, found 'n > ': unable to parse 'n > ' as Expr",
        "warn: no such check, found 'ranges.wart'; did you mean 'ranges.ward'?",
        "warn: no such check, found 'rows'",
    ]


def test_a_key_that_is_not_there_is_a_mistake() -> None:
    schema = pl.Schema({"year": pl.Int64})
    with pytest.raises(SchemaError, match="key: no such column, found 'ward'"):
        compile_contract(Contract(), schema, KEY)


def test_what_needs_data_is_a_mistake_even_if_it_only_warns() -> None:
    assert len(mistakes(not_null=["x"], columns={"n": "Int"}, warn=["not_null"])) == 2


def test_counting_shares_the_sort_of_the_sink(
    golden_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = golden_settings()
    rows, _ = sources.scan(settings.source, settings.root).frames()
    plan = compose(rows, settings.stages)
    lf = snapshot_frames(plan)["discharges"]
    node = plan.snapshots["discharges"]
    checks = compile_contract(contract(key=True), node.schema, node.stage.key)
    sink = lf.sink_parquet(tmp_path / "x.parquet", lazy=True)
    text = pl.explain_all([sink, count_failures(lf, checks)])
    assert text.count("SORT BY") == 1
    assert text.count("Csv SCAN") == 1
