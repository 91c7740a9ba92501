"""``just bench-check`` tells whether something is slower than what was accepted.

Only figures that mean the same on every machine are looked at: CPU time and memory
relative to references that run in between, how often the file is read, and how many
snapshots and rows are written.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from benchmarks import accepted
from benchmarks.accepted import Accepted, Figures
from benchmarks.machine import machine, versions
from benchmarks.samplers import Sample, Sampler, all_samplers, structure, workbench
from benchmarks.verdict import ELSEWHERE, Finding, decide

AT_ONCE = min(2, os.cpu_count() or 1)
SLACK = {"scans": 0.5, "sinks": 0, "rows": 0}
"""Above what is accepted; a scan more is a whole one."""


def check() -> list[str]:
    """Measure, print a line per figure, and return what became worse."""
    known = accepted.read()
    held_to, allowance = _held_to(known)
    with workbench() as bench:
        worse = wrong_structure(structure(bench), known.structure)
        for sampler in all_samplers(bench):
            samples = take(sampler, sampler.names, sampler.fewest)
            findings = settle(sampler, samples, held_to.ratios, allowance)
            for name, finding in findings.items():
                click.echo(f"{name:16} {finding}")
            worse += [
                f"{name}: {finding}"
                for name, finding in findings.items()
                if finding.verdict == "slower"
            ]
    return worse


def _held_to(known: Accepted) -> tuple[Figures, float]:
    """Choose what to compare with, and how much more is allowed; say what differs."""
    found = known.processors.get(str(machine()["processor"]))
    held_to = found or known.newest
    for name, there in held_to.versions.items():
        here = versions()[name]
        if here != there:
            click.echo(f"note: {name} {here}, accepted with {there}")
    if found:
        return found, 1
    click.echo(
        f"note: nothing was accepted on this processor: {ELSEWHERE} times the tolerance"
        f" over {held_to.machine['processor']}, until `just bench-accept`"
    )
    return held_to, ELSEWHERE


def take(sampler: Sampler, names: Sequence[str], n: int) -> dict[str, list[Sample]]:
    """Take some samples, two at once where there are processors for it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        taken = list(pool.map(lambda _: sampler.take(names), range(n)))
    return {name: [sample[name] for sample in taken] for name in names}


def settle(
    sampler: Sampler,
    samples: Mapping[str, Sequence[Sample]],
    ratios: Mapping[str, Mapping[str, float]],
    allowance: float = 1,
) -> dict[str, Finding]:
    """Take more samples of what is unclear, until nothing is."""
    held = {name: list(taken) for name, taken in samples.items()}
    while True:
        findings = {
            name: decide(taken, ratios[name], allowance, sampler.most)
            for name, taken in held.items()
        }
        unclear = [n for n, found in findings.items() if found.verdict == "unclear"]
        if not unclear:
            return findings
        for name, more in take(sampler, unclear, AT_ONCE).items():
            held[name] += more


def wrong_structure(
    found: Mapping[str, float], wanted: Mapping[str, float]
) -> list[str]:
    """Say what a pass does more often than was accepted."""
    return [
        f"{name} of one pass: {found[name]:,}, accepted {wanted[name]:,}"
        for name, slack in SLACK.items()
        if found[name] > wanted[name] + slack
    ]
