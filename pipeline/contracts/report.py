"""What came of checks, in words."""

from collections.abc import Iterable, Mapping
from datetime import date

import polars as pl

from pipeline.contracts.checks import Outcome
from pipeline.errors import n_of


def describe_outcome(outcome: Outcome, n_rows: int) -> str:
    """Say in one line what a failed check expected, and what was found in the rows."""
    kind = outcome.name.partition(".")[0]
    found = f"{outcome.n_failures:,} of {n_rows:,} rows that are not so"
    if kind == "rows":
        found = n_of(n_rows, "row")
    elif kind in ("columns", "required"):
        found = "otherwise"
    return f"{outcome.name}: expected {outcome.description}; found {found}"


def describe_failures(
    snapshot: str,
    stage: str,
    outcomes: Iterable[Outcome],
    samples: Mapping[str, pl.DataFrame],
    n_rows: int,
) -> str:
    """Write the message for the checks that failed, if any, among those of a snapshot.

    `samples` has some of the rows that break a check, by its name, as far as there are.
    """
    failed = [outcome for outcome in outcomes if not outcome.passed]
    checks = f"{len(failed)} check{'s' * (len(failed) > 1)}"
    lines = [
        f"snapshot '{snapshot}' of stage '{stage}': {checks} failed",
        *describe_failed(failed, samples, n_rows),
        f"hint: mend the data or the stages, or `checks.{snapshot}` (`just config` "
        "shows it); a check named in its `warn` does not stop the run",
    ]
    return "\n".join(lines)


def describe_failed(
    failed: Iterable[Outcome], samples: Mapping[str, pl.DataFrame], n_rows: int
) -> list[str]:
    """List checks that failed and rows that break them; see `describe_failures`."""
    lines: list[str] = []
    for outcome in failed:
        lines.append(f"  {describe_outcome(outcome, n_rows)}")
        if outcome.name in samples:
            for row in samples[outcome.name].iter_rows(named=True):
                cells = (f"{name} {_shown(value)}" for name, value in row.items())
                lines.append(f"    {', '.join(cells)}")
    return lines


def _shown(value: object) -> str:
    """Write a value so that text and what looks like it differ."""
    return str(value) if isinstance(value, date) else repr(value)
