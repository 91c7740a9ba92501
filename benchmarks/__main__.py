"""The benchmarks' command line, behind the recipes ``just bench`` and ``just bench-*``.

This process stays small while it measures: on Linux, a child's peak memory is at least
that of the process it was forked from.
"""

from typing import TYPE_CHECKING

import click

from benchmarks.processes import run_process
from pipeline.process import reuse_freed_memory

if TYPE_CHECKING:
    from benchmarks.records import BenchmarkRecord


@click.group()
def cli() -> None:
    """Measure the pipeline, and hold it to what was accepted."""
    reuse_freed_memory()


@cli.command()
@click.argument("tasks", nargs=-1)
@click.option("--sizes", default="", help="Times the published rows: 0.1,1,10.")
@click.option("--runs", default=5, help="Of each contender.")
def run(tasks: tuple[str, ...], sizes: str, runs: int) -> None:
    """Time the pipeline beside its rivals, in all tasks or some; keeps the figures."""
    from benchmarks.bench import TASKS, bench

    known = [name for name, task in TASKS.items() if task.sizes or not sizes]
    for name in tasks:
        if name not in known:
            raise click.UsageError(f"expected of {', '.join(known)}; found '{name}'")
    for name in tasks or known:
        chosen = [float(size) for size in sizes.split(",") if size]
        keep_figures(name, bench(TASKS[name], runs, chosen))


def keep_figures(task: str, record: "BenchmarkRecord") -> None:
    """Keep what was measured, in a process that may grow large."""
    import msgspec

    run_process("-m", "benchmarks.keep", task, msgspec.json.encode(record).decode())


@cli.command()
def report() -> None:
    """Write the newest figures into benchmarks/README.md, as tables and charts."""
    from benchmarks.report import report as write_report

    write_report()


@cli.command()
def check() -> None:
    """Compare what means the same on every machine with what was accepted."""
    from benchmarks.check import check as find_worse

    worse = find_worse()
    if worse:
        raise SystemExit(
            "\n".join(
                [
                    "slower, or more, than accepted in benchmarks/accepted.json:",
                    *(f"  {line}" for line in worse),
                    'hint: mend it, or accept it: just bench-accept "why"',
                ]
            )
        )
    click.echo("nothing is slower than accepted")


@cli.command()
@click.argument("reason")
def accept(reason: str) -> None:
    """Accept the figures of now, for a reason that is kept."""
    from benchmarks.accept import accept as accept_now

    accept_now(reason)


@cli.command()
@click.argument("checks", type=int, default=100)
def prove(checks: int) -> None:
    """Count false alarms and missed slowdowns in many checks; takes hours."""
    from benchmarks.proof import prove as prove_checks

    prove_checks(checks)


if __name__ == "__main__":
    cli(prog_name="just bench")
