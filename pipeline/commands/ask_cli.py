"""The commands that ask what there is, and why."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import progress
from pipeline.commands import completion, options
from pipeline.commands.options import shown
from pipeline.errors import LineageError, PipelineError
from pipeline.log import is_quiet

if TYPE_CHECKING:
    from pipeline.plan.settings import Settings


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    callback=options.harmless,
    help="Folder to write instead of .pipeline/docs; what is not ours there stays.",
)
@click.option("--open", "opened", is_flag=True, help="Open them in the browser.")
@click.option("--serve", is_flag=True, help="Serve them to this machine, until Ctrl-C.")
@click.option("--port", default=8000, show_default=True, help="Of --serve.")
@click.option("--check", is_flag=True, help="Only name columns without a description.")
@options.profile
@options.overrides
def docs(
    output: Path | None,
    opened: bool,
    serve: bool,
    port: int,
    check: bool,
    profile: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Write pages to look at: runs, plan, columns, snapshots, models.

    One folder, which opens from the disk and from any static host. With --check, the
    exit code is 1 if configs/columns.yaml describes not all published columns.
    """
    if check:
        _check_descriptions(options.settings(profile, overrides))
        return
    options.forget_racy_modules()
    with progress.doing("loading settings and libraries"):
        from pipeline.files.state import State
        from pipeline.pages.docs import write_pages

    root = options.project_root()
    folder = output or State(root).docs
    just = "just" if options.has_justfile() else "pipeline"
    n_pages = write_pages(root, folder, profile=profile, overrides=overrides, just=just)
    if not is_quiet():
        click.echo(f"{n_pages:,} pages: {shown(folder / 'index.html')}")
    if serve or opened:
        from pipeline.pages.serve import open_pages

        with progress.hidden():
            open_pages(folder, serve=serve, opened=opened, port=port)


def _check_descriptions(settings: "Settings") -> None:
    """Name the published columns without a description; exit with 1 if there are."""
    from pipeline.plan.descriptions import describe, undescribed
    from pipeline.run.run import check

    plan = check(settings)
    missing = undescribed(plan, describe(settings, plan))
    for name in missing:
        click.echo(name)
    if missing:
        click.echo(
            f"{len(missing)} published columns without a description: write them into"
            " configs/columns.yaml",
            err=True,
        )
        raise SystemExit(1)
    click.echo("all published columns are described")


@click.command(context_settings=options.RUNS)
@click.argument("stage", shell_complete=completion.frames)
@click.option("--where", metavar="SQL", help="Rows for which this is true.")
@click.option(
    "--columns",
    metavar="A,B",
    shell_complete=completion.columns,
    help="These columns only.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="So many rows; 20 of a table, else all.",
)
@click.option("--stats", is_flag=True, help="Figures of each column, not rows.")
@click.option(
    "--against",
    metavar="RUN",
    shell_complete=completion.runs,
    help="Compare with the rows of a run.",
)
@options.format_
@options.output
@options.profile
@options.overrides
def show(
    stage: str,
    where: str | None,
    columns: str | None,
    limit: int | None,
    stats: bool,
    against: str | None,
    format_: str | None,
    output: Path | None,
    profile: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Show the rows after any stage, of a snapshot or a source; publish nothing.

    They are computed from the nearest snapshots that are fresh. --against compares them
    with those of a run; the exit code is 1 then if they differ.
    """
    if against and (stats or output or format_ not in (None, "table", "json")):
        raise click.UsageError("--against prints a diff, as a table or json")
    if columns is not None and not columns.strip():
        raise click.UsageError("--columns: expected names, with commas between")
    from pipeline.run.outline import refuse_unknown

    names = options.names_in(columns)
    root = options.project_root()
    refuse_unknown(root, profile, overrides, stage, filter(None, names))
    is_table = output is None and format_ in (None, "table", "vertical")
    if limit is None and is_table and not (stats or against):
        limit = 20
    if not (stats or against or output):
        from pipeline.run.kept_rows import show_kept

        kept = show_kept(root, profile, overrides, stage, where, names, limit)
        if kept:
            from pipeline.snapshots.result import write_arrow

            found, key, said = kept
            write_arrow(found, format_, None, keys=key)
            if not is_quiet():
                click.echo(said, err=True)
            return
    settings = options.settings(profile, overrides)
    from pipeline.plan.output import refuse_sources
    from pipeline.run.kept_rows import keep
    from pipeline.run.rows import look_now
    from pipeline.run.show import Asked, diff_against, show_figures
    from pipeline.run.show import show as show_rows

    if output:
        refuse_sources(output, settings)
    now, asked = look_now(settings), Asked(where, names, limit)
    if against:
        from pipeline.snapshots.diff.report import show as show_diff

        title, found = diff_against(now, stage, against, asked)
        click.echo(
            show_diff(found, title, "json" if format_ == "json" else "text"), nl=False
        )
        if not found.is_equal:
            raise SystemExit(1)
        return
    from pipeline.snapshots.result import write_frame

    rows = now.rows(stage)
    made = (show_figures if stats else show_rows)(rows, asked)
    write_frame(made.rows, format_, output, keys=rows.key)
    if not is_quiet():
        click.echo(made.said, err=True)
    keep(now, rows, profile, overrides, stage)


@click.command()
@click.argument(
    "words",
    nargs=-1,
    metavar="[STAGE] [PATH=VALUE]...",
    shell_complete=completion.frames_or_settings,
)
@options.wait
@options.profile
def profile(words: tuple[str, ...], profile: str | None) -> None:
    """Time each stage alone, or one, and keep that in meta.stage_times.

    Each is given its inputs in memory, in a process of its own; seconds are the best of
    three, memory is the peak with inputs and output. A run takes less: it shares work
    and leaves columns out.
    """
    stage, overrides = options.split(words, "stage")
    settings = options.settings(profile, overrides)
    from pipeline.run.rows import look_now
    from pipeline.run.times import describe, keep, time_stages

    now = look_now(settings)
    plan = now.wanted.plan
    names = [plan.wiring.frame(stage)] if stage else [*plan.sources, *plan.nodes]
    times = time_stages(now, names)
    for line in describe(times):
        click.echo(line)
    keep(now, times)


@click.command(cls=options.Statement)
@click.argument("statement", required=False, shell_complete=completion.statement)
@options.variant(
    "--variant",
    help="Ask it; `published.features` is what is published.",
)
@options.format_
@options.output
def sql(
    statement: str | None,
    variant: str | None,
    format_: str | None,
    output: Path | None,
) -> None:
    """Run one SELECT over the snapshots; without it, open a prompt.

    What is no terminal is read instead, statement by statement: just sql < FILE.
    """
    from pipeline.process import when_asked
    from pipeline.snapshots.result import write_result
    from pipeline.snapshots.sql import (
        connect,
        connect_to_variant,
        key_columns,
        select,
        split_statements,
    )

    store = options.open_store()
    keys = key_columns(store)
    with connect_to_variant(store, variant) if variant else connect(store) as con:
        if statement is None and sys.stdin.isatty():
            from pipeline.snapshots.prompt import prompt

            with progress.hidden():
                prompt(con, store.folder, keys)
            return
        statements = [statement or ""]
        if statement is None:
            given = sys.stdin.buffer.read().decode(errors="surrogateescape")
            statements = split_statements(con, given) or [""]
        if output and len(statements) > 1:
            raise click.UsageError(f"{output} would hold one of {len(statements)}")
        with when_asked(con.interrupt):
            for one in statements:
                write_result(select(con, one), format_, output, keys=keys)


@click.command()
@click.argument("name", required=False, shell_complete=completion.queries)
@click.argument(
    "values", nargs=-1, metavar="[PARAM=VALUE]...", shell_complete=completion.parameters
)
@options.format_
@options.output
def query(
    name: str | None, values: tuple[str, ...], format_: str | None, output: Path | None
) -> None:
    """Run a query of queries/; without a name, list them."""
    from pipeline.snapshots.queries import load_query, query_names

    folder = options.project_root() / "queries"
    if name is None:
        for known in query_names(folder):
            click.echo(known)
            try:
                found = load_query(folder, known)
            except PipelineError as error:
                click.secho(f"    {str(error).splitlines()[0]}", fg="yellow")
                continue
            click.echo(f"    {found.question}")
            for p in found.parameters:
                click.echo(f"    {p.name}={p.default}  {p.type}; {p.meaning}")
        return
    given = dict(_assignment(word) for word in values)
    wanted = load_query(folder, name)
    from pipeline.process import when_asked
    from pipeline.snapshots.result import write_result
    from pipeline.snapshots.sql import connect, key_columns, run_query

    store = options.open_store()
    with connect(store) as con, when_asked(con.interrupt):
        found = run_query(con, wanted, given)
        write_result(found, format_, output, keys=key_columns(store))


def _assignment(word: str) -> tuple[str, str]:
    """Split ``param=value``."""
    name, equals, value = word.partition("=")
    if not equals:
        raise click.UsageError(f"expected PARAM=VALUE, found '{word}'")
    return name, value


@click.command()
@click.argument(
    "words",
    nargs=-1,
    metavar="[COLUMN] [PATH=VALUE]...",
    shell_complete=completion.cells_or_settings,
)
@click.option("--downstream", is_flag=True, help="Show what is made of the column.")
@options.text_or("mermaid", "dot", "json", "openlineage")
@options.profile
def lineage(
    words: tuple[str, ...], downstream: bool, format_: str, profile: str | None
) -> None:
    """Show which columns a column comes from; without one, the stages.

    COLUMN is SNAPSHOT.COLUMN, STAGE.COLUMN or 'source.COLUMN'; a snapshot alone lists
    its columns. Reads no data.
    """
    from pipeline.lineage.show import show
    from pipeline.snapshots.records import PREDICTIONS

    column, overrides = options.split(words, "column")
    if column and column.partition(".")[0] == PREDICTIONS:
        raise LineageError(
            f"lineage: '{PREDICTIONS}' is what a model makes of all columns of the"
            " features, no stage's\n"
            "hint: the lineage ends at the features: `just lineage features` says what"
            " each of these is made of, and the model's card which of them count"
        )
    known = options.outline(profile, overrides)
    means = known.descriptions
    said = show(known.lineage, column, format_, forward=downstream, descriptions=means)
    click.echo(said)


@click.command()
@click.argument(
    "words",
    nargs=-1,
    metavar="SNAPSHOT [KEY=VALUE]... COLUMN",
    shell_complete=completion.key_or_column,
)
@click.option("--all", "every_row", is_flag=True, help="Every row of long lists.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "md"]),
    default="table",
    show_default=True,
)
@options.profile
def why(
    words: tuple[str, ...], every_row: bool, format_: str, profile: str | None
) -> None:
    """Show what a value is made of, stage by stage back to the source's lines.

    Of a snapshot's row, named by its key: why features year=2015 shop=12 sales_lag1. Of
    `predictions`, without a column: what each feature adds, the interval's parts, and
    the way down from the largest. A run with settings of its own is asked with these,
    as PATH=VALUE.
    """
    if not words or "=" in words[0]:
        raise click.UsageError("expected a snapshot, then its key and a column")
    from pipeline.snapshots.records import PREDICTIONS
    from pipeline.snapshots.store import read_current
    from pipeline.why.show import show
    from pipeline.why.why import no_run, tell_apart
    from pipeline.why.why import why as why_of

    store = options.open_store()
    run = read_current(store)
    if run is None:
        raise no_run(store)
    (name, *asked), overrides = tell_apart(run, words)
    if name == PREDICTIONS:
        from pipeline.modeling.settings import load_modeling
        from pipeline.modeling.why import show_prediction, why_prediction

        modeling = load_modeling(
            store.root, profile=profile or run.profile, overrides=overrides
        )
        made = why_prediction(modeling, store, run, asked)
        click.echo(show_prediction(made, format_, every_row=every_row))
        return
    settings = options.settings(profile or run.profile, overrides)
    found = why_of(settings, store, run, name, asked)
    click.echo(show(found, format_, every_row=every_row))
