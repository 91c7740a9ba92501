"""``just bench-proof`` shows how often the check is wrong: real checks, many of them.

Each checks unchanged code, which may not be found slower, and code in which a quarter
more work was planted in one transformation, and a second scan of the source, which must
be. Outcomes are kept line by line, so that a proof that was stopped goes on, each with
the changes found in unchanged code, so that another rule can be tried on them.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks import accepted
from benchmarks.check import settle, take, wrong_structure
from benchmarks.machine import commit, machine
from benchmarks.samplers import (
    Sample,
    Sampler,
    Workbench,
    all_samplers,
    relative,
    structure,
    time_cases,
    workbench,
)
from benchmarks.verdict import FEWEST, Finding

OUTCOMES = Path(__file__).with_name("proof.jsonl")


def prove(n_checks: int) -> None:
    """Check until there are so many outcomes, and count them."""
    lines = OUTCOMES.read_text().splitlines() if OUTCOMES.exists() else []
    with workbench() as bench:
        for i in range(len(lines), n_checks):
            lines.append(
                json.dumps(prove_once(bench, bench.cases[i % len(bench.cases)]))
            )
            OUTCOMES.write_text("\n".join(lines) + "\n")
            click.echo(f"{i + 1}: {lines[-1]}")
    outcomes = [json.loads(line) for line in lines[:n_checks]]
    counts = Counter(
        key
        for outcome in outcomes
        for key in ("false_alarms", "slowdown_caught", "scan_caught")
        if outcome[key]
    )
    click.echo(f"of {len(outcomes)} checks: {dict(counts)}")


def prove_once(bench: Workbench, planted: str) -> dict[str, object]:
    """Check unchanged code, and the same with a slowdown and a second scan planted."""
    known = accepted.read()
    ratios = known.processors[str(machine()["processor"])].ratios
    false_alarms = wrong_structure(structure(bench), known.structure)
    slowed: dict[str, list[Sample]] = {planted: []}

    def take_noting_slowed(names: Sequence[str]) -> dict[str, Sample]:
        times = time_cases(bench.inputs, names, planted)
        if planted in times:
            slowed[planted].append(a_quarter_slower(*times[planted]))
        return {name: relative(*taken[:3]) for name, taken in times.items()}

    def take_slowed(names: Sequence[str]) -> dict[str, Sample]:
        times = time_cases(bench.inputs, names, planted)
        return {name: a_quarter_slower(*taken) for name, taken in times.items()}

    of_cases, *others = all_samplers(bench)
    noting = Sampler(of_cases.names, take_noting_slowed)
    unchanged: dict[str, Finding] = {}
    for sampler in (noting, *others):
        samples = take(sampler, sampler.names, sampler.fewest)
        unchanged |= settle(sampler, samples, ratios)
    false_alarms += [
        f"{name}: {found}"
        for name, found in unchanged.items()
        if found.verdict == "slower"
    ]
    first = {planted: slowed[planted][:FEWEST]}
    found = settle(Sampler((planted,), take_slowed), first, ratios)[planted]
    return {
        "commit": commit(),
        "planted": planted,
        "false_alarms": false_alarms,
        "unchanged": {
            name: [round(c.factor, 3) for c in (found.change, *found.against.values())]
            for name, found in unchanged.items()
        },
        "slowdown_caught": found.verdict == "slower",
        "slowdown": str(found),
        "scan_caught": bool(
            wrong_structure(structure(bench, "--twice"), known.structure)
        ),
    }


def a_quarter_slower(
    ours_s: float, twin_s: float, kernel_s: float, again_s: float
) -> Sample:
    """Add a quarter of a further call."""
    return relative(ours_s + again_s / 4, twin_s, kernel_s)
