"""``just bench-accept REASON`` makes the figures of now the accepted ones."""

from datetime import UTC, datetime
from statistics import geometric_mean

import click

from benchmarks import accepted
from benchmarks.accepted import Acceptance, Accepted, Figures, Ratios, carried_over
from benchmarks.check import take
from benchmarks.machine import commit, machine, versions
from benchmarks.samplers import all_samplers, structure, workbench


def accept(reason: str) -> None:
    """Measure, write the file, and say what changed.

    What is accepted is a change: other processors are held to as much more, or less.
    On a processor without figures of before, nothing is known to have changed.
    """
    before = accepted.read()
    processor = str(machine()["processor"])
    ratios: Ratios = {}
    with workbench() as bench:
        found = structure(bench)
        for sampler in all_samplers(bench):
            # Twice what a check takes: it is held to them for long.
            n = 2 * sampler.fewest
            for name, samples in take(sampler, sampler.names, n).items():
                ratios[name] = {
                    reference: round(geometric_mean(s[reference] for s in samples), 4)
                    for reference in samples[0]
                }
    acceptance = Acceptance(datetime.now(UTC).date().isoformat(), commit(), reason)
    others = carried_over(before.processors, processor, ratios)
    here = Figures(machine(), versions(), ratios)
    accepted.write(
        Accepted([*before.history, acceptance], {**others, processor: here}, found)
    )
    held = before.processors.get(processor)
    for name, references in ratios.items():
        for reference, ratio in references.items():
            was = held and held.ratios.get(name, {}).get(reference)
            line = f"{name:16} {ratio:8.3f} of {reference}"
            click.echo(line + (f", {ratio / was - 1:+.0%}" if was else ""))
    click.echo(f"{accepted.PATH.name} is written; commit it")
