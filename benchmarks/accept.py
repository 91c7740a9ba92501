"""``just bench-accept REASON`` makes the figures of now the accepted ones."""

from datetime import UTC, datetime
from statistics import geometric_mean

import click

from benchmarks import accepted
from benchmarks.accepted import Acceptance, Accepted
from benchmarks.check import take
from benchmarks.judge import MOST
from benchmarks.machine import commit, machine, versions
from benchmarks.samplers import all_samplers, structure, workbench


def accept(reason: str) -> None:
    """Measure, write the file, and say what changed."""
    before = accepted.read() if accepted.PATH.exists() else None
    ratios: dict[str, dict[str, float]] = {}
    with workbench() as bench:
        found = structure(bench)
        for sampler in all_samplers(bench):
            for name, samples in take(sampler, sampler.names, MOST).items():
                ratios[name] = {
                    reference: round(geometric_mean(s[reference] for s in samples), 4)
                    for reference in samples[0]
                }
    history = before.history if before else []
    acceptance = Acceptance(datetime.now(UTC).date().isoformat(), commit(), reason)
    new = Accepted([*history, acceptance], machine(), versions(), ratios, found)
    accepted.write(new)
    for name, references in ratios.items():
        for reference, ratio in references.items():
            was = before and before.ratios.get(name, {}).get(reference)
            line = f"{name:16} {ratio:8.3f} of {reference}"
            click.echo(line + (f", {ratio / was - 1:+.0%}" if was else ""))
    click.echo(f"{accepted.PATH.name} is written; commit it")
