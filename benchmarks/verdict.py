"""Whether something became slower: one Student t test per figure, until it is clear.

A figure is the CPU time (or memory) of ours over a reference's, of one process. What
counts is by how many times it changed since it was accepted: where there are two
references, their geometric mean, so that what one of them alone had in a bad moment
counts half. Fresh processes are independent of each other, rounds within one need not
be; so the logarithms of the processes' changes are the sample. Slower means that the
one-sided 99 % lower bound of their mean lies above 12.5 %, a little more than half of
the 25 % that must be found, as any of six figures can raise a false alarm; where there
is one reference, above 25 %. On a processor for which nothing was accepted it is four
times as much: caches and vector units change the ratio, too.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

TOLERANCE, TOLERANCE_OF_ONE = 0.125, 0.25
ELSEWHERE = 4
"""Times as much on a processor without accepted figures."""

CONFIDENCE = 0.99
FEWEST, MOST = 4, 16
"""Processes: at first, and at most, for a figure that is neither clear nor clean."""


@dataclass(frozen=True)
class Change:
    """How many times its accepted value a figure is, with bounds of 99 % each."""

    factor: float
    """The geometric mean of the processes'."""
    lower: float
    upper: float

    def __str__(self) -> str:
        """Say it in per cent."""
        return f"{self.factor - 1:+.0%} [{self.lower - 1:+.0%}, {self.upper - 1:+.0%}]"


@dataclass(frozen=True)
class Finding:
    """What is said of a figure."""

    verdict: Literal["same", "slower", "faster", "unclear"]
    """Unclear only while more processes may be looked at."""
    change: Change
    against: dict[str, Change]
    """Per reference, to see which of them moved."""
    n: int
    """Processes."""

    def __str__(self) -> str:
        """Say it in a line."""
        against = "; ".join(f"over {name} {c}" for name, c in self.against.items())
        return f"{self.verdict} {self.change} ({self.n} processes; {against})"


def change(factors: Sequence[float]) -> Change:
    """Average the changes that some processes, at least two, saw."""
    from scipy.stats import t

    logs = [math.log(factor) for factor in factors]
    mean = statistics.fmean(logs)
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = float(t.ppf(CONFIDENCE, len(logs) - 1)) * error
    return Change(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def decide(
    samples: Sequence[Mapping[str, float]],
    accepted: Mapping[str, float],
    allowance: float = 1,
    at_most: int = MOST,
) -> Finding:
    """Decide from the processes so far, each with a figure against each reference.

    The tolerance is taken `allowance` times; nothing is unclear of so many processes.
    """
    n = len(samples)
    most = 1 + allowance * (TOLERANCE if len(accepted) > 1 else TOLERANCE_OF_ONE)
    factors = {
        name: [sample[name] / value for sample in samples]
        for name, value in accepted.items()
    }
    found = change(
        [*map(statistics.geometric_mean, zip(*factors.values(), strict=True))]
    )
    if found.factor > most:
        is_clear = found.lower > most or n >= at_most
        verdict = "slower" if is_clear else "unclear"
    else:
        verdict = "faster" if found.upper < 1 / most else "same"
    against = {name: change(taken) for name, taken in factors.items()}
    return Finding(verdict, found, against, n)
