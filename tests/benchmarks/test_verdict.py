"""What the regression check says of figures whose truth is known."""

import math
from collections.abc import Sequence

import pytest

from benchmarks.check import settle, take, wrong_structure
from benchmarks.samplers import Sample, Sampler
from benchmarks.verdict import ELSEWHERE, FEWEST, MOST, TOLERANCE, change, decide

ACCEPTED = {"pandas": 0.5, "kernel": 2.0}
# Processes differ by some 8 %, which is what a busy machine does.
NOISE = [0.92, 1.08, 1.0, 0.95, 1.06, 1.0]


def samples(pandas: float, kernel: float) -> list[dict[str, float]]:
    """Make figures so many times the accepted ones, with noise."""
    return [
        {"pandas": 0.5 * pandas * noise, "kernel": 2.0 * kernel * noise}
        for noise in NOISE
    ]


def test_bounds_are_those_of_the_t_distribution() -> None:
    found = change([1.0, 1.1, 1.21])
    # Logarithms 0, d, 2d: mean d, standard error d / sqrt(3), and t(0.99, 2) = 6.965.
    d = math.log(1.1)
    assert found.factor == pytest.approx(1.1)
    assert found.lower == pytest.approx(
        math.exp(d - 6.965 * d / math.sqrt(3)), rel=1e-4
    )
    assert found.upper == pytest.approx(
        math.exp(d + 6.965 * d / math.sqrt(3)), rel=1e-4
    )


@pytest.mark.parametrize(
    ("pandas", "kernel", "verdict"),
    [
        (1.0, 1.0, "same"),
        (1.0 + 0.9 * TOLERANCE, 1.0 + 0.9 * TOLERANCE, "same"),
        (1.25, 1.25, "slower"),
        (1.25, 1.0, "same"),  # pandas had a fast moment, or became faster itself
        (1.0, 1.25, "same"),
        (1.32, 1.19, "slower"),  # 25 % more, while the references drift apart
        (0.9, 1.4, "same"),  # sqrt(0.9 * 1.4) = 1.122; on average they are 1.15
        (0.75, 0.75, "faster"),
        (0.9, 0.9, "same"),
        (1.15, 1.15, "unclear"),
    ],
)
def test_slower_is_what_is_slower_against_the_references_together(
    pandas: float, kernel: float, verdict: str
) -> None:
    assert decide(samples(pandas, kernel), ACCEPTED).verdict == verdict


def test_noise_of_one_reference_that_the_other_lacks_counts_half() -> None:
    noisy = [{"pandas": 0.5 * noise**2, "kernel": 2.0} for noise in NOISE]
    found = decide(noisy, ACCEPTED)
    assert found.change == change(NOISE)
    assert found.against == {
        "pandas": change([noise**2 for noise in NOISE]),
        "kernel": change([1.0] * len(NOISE)),
    }


def test_what_is_said_shows_which_reference_moved() -> None:
    said = str(decide([{"pandas": 0.6, "kernel": 2.0}] * 4, ACCEPTED))
    assert said == (
        "same +10% [+10%, +10%] (4 processes;"
        " over pandas +20% [+20%, +20%]; over kernel +0% [+0%, +0%])"
    )


def test_on_another_processor_more_is_allowed() -> None:
    assert decide(samples(1.45, 1.45), ACCEPTED, ELSEWHERE).verdict == "same"
    assert decide(samples(1.7, 1.7), ACCEPTED, ELSEWHERE).verdict == "slower"


def test_a_single_reference_allows_more() -> None:
    for times, verdict in ((1.2, "same"), (1.5, "slower")):
        found = decide(samples(1.0, times), {"kernel": 2.0})
        assert found.verdict == verdict


def test_what_stays_above_the_tolerance_is_slower_in_the_end() -> None:
    many = samples(1.15, 1.15) * 3
    assert decide(many[: MOST - 1], ACCEPTED).verdict == "unclear"
    assert decide(many[:MOST], ACCEPTED).verdict == "slower"


def test_only_what_is_unclear_is_measured_again() -> None:
    asked: list[tuple[str, ...]] = []

    def measure(names: Sequence[str]) -> dict[str, Sample]:
        asked.append(tuple(names))
        bad_start = {"pandas": 0.6, "kernel": 2.4}
        later = {"pandas": 0.5, "kernel": 2.0}
        first = bad_start if len(asked) <= FEWEST else later
        steady = {"pandas": 0.5, "kernel": 2.0 + 0.01 * len(asked)}
        return {n: steady if n == "steady" else first for n in names}

    # All equal would be beyond doubt at once.
    sampler = Sampler(("steady", "noisy"), measure)
    taken = take(sampler, sampler.names, FEWEST)
    taken["noisy"][0] = {"pandas": 0.5, "kernel": 2.0}
    settled = settle(sampler, taken, {"steady": ACCEPTED, "noisy": ACCEPTED})
    assert {name: found.verdict for name, found in settled.items()} == {
        "steady": "same",
        "noisy": "same",
    }
    assert set(asked[:FEWEST]) == {("steady", "noisy")}
    assert set(asked[FEWEST:]) == {("noisy",)}


@pytest.mark.parametrize(("times", "verdict"), [(1.1, "same"), (1.4, "slower")])
def test_two_processes_do_only_where_they_show_nothing(
    times: float, verdict: str
) -> None:
    noise = iter([*NOISE, *NOISE])

    def measure(names: Sequence[str]) -> dict[str, Sample]:
        return {name: {"bare": times * next(noise)} for name in names}

    sampler = Sampler(("sweep",), measure, fewest=2)
    taken = take(sampler, sampler.names, sampler.fewest)
    found = settle(sampler, taken, {"sweep": {"bare": 1.0}})["sweep"]
    assert (found.verdict, found.n > 2) == (verdict, verdict == "slower")


def test_a_scan_a_sink_and_a_row_more_are_said() -> None:
    wanted = {"scans": 1.3, "sinks": 5, "rows": 100}
    assert wrong_structure(wanted, wanted) == []
    assert wrong_structure(wanted | {"scans": 1.4}, wanted) == []
    more = {"scans": 2.3, "sinks": 6, "rows": 101}
    assert [line.partition(":")[0] for line in wrong_structure(more, wanted)] == [
        "scans of one pass",
        "sinks of one pass",
        "rows of one pass",
    ]
