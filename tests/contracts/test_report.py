"""What came of checks, in words."""

import math

from pipeline.contracts.checks import (
    Outcome,
    compile_contract,
    count_failures,
    outcomes_of,
    sample_failures,
)
from pipeline.contracts.report import describe_failures
from tests.contracts.conftest import KEY, contract, frame

NAN = math.nan


def test_a_failure_is_described_with_rows_and_a_way_out() -> None:
    terms = contract(
        key=True,
        ranges={"cost": {"min": 0, "max": 1e6}},
        rows={"exact": 8},
        columns={"n": "Int8"},
        warn=["columns"],
    )
    df = frame((2009, "a", 1, 5.0), (2009, "a", 2, -0.5), (2010, "b", 3, NAN))
    checks = compile_contract(terms, df.schema, KEY)
    outcomes = outcomes_of(checks, count_failures(df.lazy(), checks).collect())
    samples = {
        c.name: sample_failures(df.lazy(), c, KEY).collect()
        for c in checks
        if c.violates is not None
    }
    text = describe_failures("wards", "tidy", outcomes, samples, df.height)
    assert text.splitlines() == [
        "snapshot 'wards' of stage 'tidy': 4 checks failed",
        "  columns.n: expected n to be Int8; found otherwise",
        "  key: expected unique rows by year, ward, without a null there; found 1 of 3 "
        "rows that are not so",
        "    year 2009, ward 'a'",
        "  ranges.cost: expected cost >= 0 and <= 1000000.0; found 2 of 3 rows that "
        "are not so",
        "    year 2009, ward 'a', cost -0.5",
        "    year 2010, ward 'b', cost nan",
        "  rows.exact: expected 8 rows; found 3 rows",
        "hint: mend the data or the stages, or `checks.wards` (`just config` shows "
        "it); a check named in its `warn` does not stop the run",
    ]


def test_checks_that_passed_are_not_described() -> None:
    passed = Outcome("key", "error", "unique", 0)
    failed = Outcome("rows.min", "error", "at least 2 rows", 1)
    text = describe_failures("wards", "tidy", [passed, failed], {}, 1)
    assert text.splitlines()[:2] == [
        "snapshot 'wards' of stage 'tidy': 1 check failed",
        "  rows.min: expected at least 2 rows; found 1 row",
    ]
