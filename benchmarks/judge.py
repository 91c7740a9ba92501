"""Whether something became slower: one Student t test per figure, until it is clear.

A figure is the CPU time (or memory) of ours over a reference's, of one process. Fresh
processes are independent of each other, rounds within one are not: memory lies as it
lies. So the logarithms of the processes' figures are the sample, and their mean is held
against the accepted one. Slower means that the one-sided 99 % lower bound of the change
lies above 10 % against one reference, and the change itself above 5 % against the
other: work that grew shows against both, a reference that had a bad moment shows alone.
Where there is one reference, it is 25 %. On another processor than that of the accepted
figures it is four times as much: caches and vector units change the ratio, too.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

TOLERANCE, TOLERANCE_OF_ONE = 0.10, 0.25
ELSEWHERE = 4
"""Times as much on another processor."""

CONFIDENCE = 0.99
FEWEST, MOST = 6, 16
"""Processes: always, and at most, for a figure that is neither clear nor clean."""


@dataclass(frozen=True)
class Change:
    """A figure against its accepted value.

    Attributes
    ----------
    ratio : float
        The geometric mean of the processes' figures.
    accepted : float
        What it was.
    lower, upper : float
        Of ``ratio / accepted``, each with 99 % confidence.
    """

    reference: str
    ratio: float
    accepted: float
    lower: float
    upper: float

    @property
    def factor(self) -> float:
        """How many times the accepted value it is."""
        return self.ratio / self.accepted

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.ratio:.3g} of {self.reference}, accepted {self.accepted:.3g}:"
            f" {self.factor - 1:+.0%} [{self.lower - 1:+.0%}, {self.upper - 1:+.0%}]"
        )


@dataclass(frozen=True)
class Judgement:
    """What is said of a figure.

    Attributes
    ----------
    verdict : {'same', 'slower', 'faster', 'unclear'}
        Unclear only while fewer than ``MOST`` processes were looked at.
    changes : list of Change
        Per reference.
    n : int
        Processes.
    """

    verdict: Literal["same", "slower", "faster", "unclear"]
    changes: list[Change]
    n: int

    def __str__(self) -> str:
        """Say it in a line."""
        changes = "; ".join(map(str, self.changes))
        return f"{self.verdict} ({self.n} processes): {changes}"


def change(reference: str, ratios: Sequence[float], accepted: float) -> Change:
    """Hold the figures of some processes against the accepted value.

    Parameters
    ----------
    reference : str
        What the figures are relative to.
    ratios : sequence of float
        One per process, at least two, above 0.
    accepted : float
        Above 0.
    """
    from scipy.stats import t

    logs = [math.log(ratio / accepted) for ratio in ratios]
    mean = statistics.fmean(logs)
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = float(t.ppf(CONFIDENCE, len(logs) - 1)) * error
    return Change(
        reference,
        accepted * math.exp(mean),
        accepted,
        math.exp(mean - reach),
        math.exp(mean + reach),
    )


def judge(
    samples: Sequence[Mapping[str, float]],
    accepted: Mapping[str, float],
    allowance: float = 1,
) -> Judgement:
    """Decide from the processes so far.

    Parameters
    ----------
    samples : sequence of mapping of str to float
        Per process, the figure against each reference.
    accepted : mapping of str to float
        Per reference.
    allowance : float
        Times the tolerance.
    """
    n = len(samples)
    tolerance = allowance * (TOLERANCE if len(accepted) > 1 else TOLERANCE_OF_ONE)
    changes = [
        change(name, [sample[name] for sample in samples], value)
        for name, value in accepted.items()
    ]
    least, most = (f(c.factor for c in changes) for f in (min, max))
    if most > 1 + tolerance and least > 1 + tolerance / 2:
        is_clear = max(c.lower for c in changes) > 1 + tolerance
        return Judgement("slower" if is_clear or n >= MOST else "unclear", changes, n)
    is_faster = max(c.upper for c in changes) < 1 - tolerance
    return Judgement("faster" if is_faster else "same", changes, n)
