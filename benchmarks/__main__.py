"""The benchmarks' command line, behind the recipes ``just bench`` and ``just bench-*``.

This process stays small while it measures: on Linux, a child's peak memory is at least
that of the process it was forked from.
"""

from pathlib import Path

import click

from pipeline.process import reuse_freed_memory


@click.group()
def cli() -> None:
    """Measure the pipeline, and hold it to what was accepted."""
    reuse_freed_memory()


@cli.command()
@click.option("--sizes", default="0.1,1,10", help="Times the published rows.")
@click.option("--runs", default=5, help="Of each contender.")
def run(sizes: str, runs: int) -> None:
    """Time the pipeline against its rivals; keeps the figures."""
    from benchmarks.bench import bench

    record = bench([float(size) for size in sizes.split(",")], runs)
    from benchmarks.keep import keep  # with Polars, so only now

    keep(record)


@cli.command()
@click.option("--sizes", default="1,10", help="Times the published rows.")
@click.option("--runs", default=1, help="Of each way.")
def scale(sizes: str, runs: int) -> None:
    """Run it on more and more rows: in one pass, part by part, on Spark if there."""
    from benchmarks.scale import scale as measure

    record = measure([int(size) for size in sizes.split(",")], runs)
    from benchmarks.keep import SCALE_RESULTS, keep  # with Polars, so only now

    keep(record, SCALE_RESULTS)


@cli.command()
@click.option("--runs", default=5, help="Of each way.")
def days(runs: int) -> None:
    """Time a million rows of a panel of days against Polars written by hand."""
    from benchmarks.days import days as measure

    measure(runs)


@cli.command()
@click.argument("root", type=click.Path(path_type=Path), default=".")
@click.option("--clients", default=100, help="At once, after one alone.")
@click.option("--seconds", default=60.0, help="For each.")
def serving(root: Path, clients: int, seconds: float) -> None:
    """Ask a server of a project's champion, one at a time and many at once."""
    from benchmarks.serving import serving as measure

    measure(root.resolve(), clients, seconds)


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
