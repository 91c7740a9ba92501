"""The command line: parse, call one function, print.

Modules that cost time to import are imported by the command that needs them, so that
``pipeline --help`` stays instant.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import duckdb

    from pipeline.run import RunReport
    from pipeline.settings import Settings


class _Commands(click.Group):
    """Commands in the order they are written; mistakes without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(error, err=True)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Turn raw panel data into features, and ask the snapshots anything in SQL."""


_profile = click.option(
    "--profile", metavar="NAME", help="Overlay of configs/profiles/, e.g. origin."
)
_overrides = click.argument("overrides", nargs=-1, metavar="[PATH=VALUE]...")
_format = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="Default: by the suffix of the output file, else a table.",
)
_output = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write instead of the terminal.",
)


def _settings(profile: str | None, overrides: tuple[str, ...]) -> "Settings":
    """Load the settings of the project around the working folder."""
    from pipeline.settings import find_root, load_settings

    return load_settings(find_root(), profile=profile, overrides=overrides)


@main.command()
@_profile
@_overrides
def run(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Compute all snapshots in one pass and publish them.

    Overrides change configuration values: lag_columns.periods=2, source=csv
    source.path=my.csv.
    """
    from pipeline.run import run as run_pipeline

    _print_report(run_pipeline(_settings(profile, overrides), _say))


def _say(line: str) -> None:
    """Tell the user what goes on, apart from results."""
    click.echo(line, err=True)


def _print_report(report: "RunReport") -> None:
    """Say what was made, and what to try next."""
    for warning in report.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    width = max(len(snapshot.name) for snapshot in report.published)
    for snapshot in report.published:
        click.echo(
            f"  {snapshot.name:{width}}  {snapshot.n_rows:>10,} rows"
            f" {snapshot.n_columns:>3} columns {snapshot.n_bytes / 1e6:>7.1f} MB"
        )
    click.echo(
        f"run {report.run_id}: {report.total_s:.1f} s, in {_shown(report.catalog)}"
    )
    if report.n_bad_rows:
        click.secho(
            f"{report.n_bad_rows} bad rows set aside: just sql 'from quarantine'",
            fg="yellow",
        )
    click.echo(
        "next:\n"
        "  just sql 'from features limit 5'    ask anything\n"
        "  just query                          questions already asked\n"
        "  just plan                           the stages and their columns\n"
        "  just run lag_columns.periods=2      change a value"
    )


def _shown(path: Path) -> str:
    """Show a path relative to the working folder where that is shorter."""
    return str(
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    )


@main.command()
@click.argument(
    "overrides", nargs=-1, metavar="[scale=N] [seed=N] [format=csv|parquet]"
)
def data(overrides: tuple[str, ...]) -> None:
    """Make the synthetic data set, if it is not there."""
    from pipeline import sources

    words = ("source=synthetic", *(f"source.{word}" for word in overrides))
    settings = _settings(None, words)
    sources.fetch(settings.source, settings.root, _say)
    for path in sources.scan(settings.source, settings.root).files:
        click.echo(f"{_shown(path)}  {path.stat().st_size / 1e6:,.1f} MB")
    click.echo(f"next:\n  just run {' '.join(words)}")


@main.command()
@click.option("--optimized", is_flag=True, help="Print the optimized Polars plan.")
@_profile
@_overrides
def plan(optimized: bool, profile: str | None, overrides: tuple[str, ...]) -> None:
    """Show stages, inputs, snapshots and the schema at each; read no data."""
    from pipeline.explain import describe, optimized_plan

    settings = _settings(profile, overrides)
    click.echo(optimized_plan(settings, _say) if optimized else describe(settings))


@main.command()
@_profile
@_overrides
def config(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Print the resolved configuration as YAML."""
    from omegaconf import OmegaConf

    settings = _settings(profile, overrides)
    click.echo(OmegaConf.to_yaml(OmegaConf.create(settings.tree)), nl=False)


# A statement may begin with a comment, which looks like an option.
@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("statement", required=False)
@_format
@_output
def sql(statement: str | None, format_: str | None, output: Path | None) -> None:
    """Run one SELECT over the snapshots; without it, open a prompt."""
    from pipeline.settings import find_root
    from pipeline.snapshots.sql import connect, select
    from pipeline.snapshots.store import open_store

    with connect(open_store(find_root())) as con:
        if statement is None:
            _prompt(con)
        else:
            _print_relation(select(con, statement), format_, output)


def _prompt(con: "duckdb.DuckDBPyConnection") -> None:
    """Read statements that end in a semicolon, and print their results."""
    import readline  # noqa: F401 # pyright: ignore[reportUnusedImport]

    from pipeline.snapshots.sql import select

    click.echo(
        "A statement ends with ';'. `show all tables;` lists them. Ctrl-D leaves."
    )
    lines: list[str] = []
    while True:
        try:
            lines.append(input("...> " if lines else "sql> "))
        except KeyboardInterrupt:
            lines.clear()
            click.echo()
            continue
        except EOFError:
            click.echo()
            return
        statement = "\n".join(lines).strip()
        if not statement:
            lines.clear()
        elif statement.endswith(";"):
            lines.clear()
            try:
                _print_relation(select(con, statement), None, None)
            except PipelineError as error:
                click.secho(str(error), fg="red", err=True)


@main.command()
@click.argument("name", required=False)
@click.argument("values", nargs=-1, metavar="[PARAM=VALUE]...")
@_format
@_output
def query(
    name: str | None, values: tuple[str, ...], format_: str | None, output: Path | None
) -> None:
    """Run a query of queries/; without a name, list them."""
    from pipeline.settings import find_root
    from pipeline.snapshots.sql import connect, load_query, query_names, run_query
    from pipeline.snapshots.store import open_store

    root = find_root()
    folder = root / "queries"
    if name is None:
        for known in query_names(folder):
            found = load_query(folder, known)
            click.echo(f"{known}\n    {found.question}")
            for p in found.parameters:
                click.echo(f"    {p.name}={p.default}  {p.type}; {p.meaning}")
        return
    given = dict(_assignment(word) for word in values)
    with connect(open_store(root)) as con:
        relation = run_query(con, load_query(folder, name), given)
        _print_relation(relation, format_, output)


def _assignment(word: str) -> tuple[str, str]:
    """Split ``param=value``."""
    name, equals, value = word.partition("=")
    if not equals:
        raise click.UsageError(f"expected PARAM=VALUE, found '{word}'")
    return name, value


def _print_relation(
    relation: "duckdb.DuckDBPyRelation", format_: str | None, output: Path | None
) -> None:
    """Print or write a result."""
    from pipeline.snapshots.result import write_result

    write_result(relation, format_, output)


@main.command("new-transform")
@click.argument("name")
def new_transform(name: str) -> None:
    """Write a transformation's three files, and its line in pipeline.yaml."""
    from pipeline.scaffold import write_transform
    from pipeline.settings import find_root

    for path in write_transform(find_root(), name):
        click.echo(_shown(path))
