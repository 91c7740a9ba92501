"""The command line: parse, call one function, print.

Modules that cost time to import are imported by the command that needs them, so that
``pipeline --help`` stays instant.
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import progress
from pipeline.commands import completion, options
from pipeline.commands.failure import describe_failure, is_closed_pipe, settle_output
from pipeline.commands.model_cli import COMMANDS, score_come
from pipeline.commands.options import shown
from pipeline.commands.variant_cli import COMMANDS as OF_VARIANTS
from pipeline.errors import LineageError, PipelineError, SnapshotError
from pipeline.log import is_quiet, is_verbose, show_on_terminal
from pipeline.process import is_asked, require_room, stop_status

if TYPE_CHECKING:
    from pipeline.plan.settings import Settings
    from pipeline.run.run import RunReport
    from pipeline.snapshots.store import Store


_RUNS = {"ignore_unknown_options": True}
"""Of commands that take a run: -1 is one, not an option."""


_OF_MODELS = ("modeling", "models")
"""Sections that a run has no use for."""


def _show_log(*, quiet: bool, verbose: bool) -> None:
    """Choose what of the log reaches the terminal."""
    import logging

    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    show_on_terminal(level, options.as_typed)
    if quiet:
        progress.stop()


class _Commands(click.Group):
    """Commands in the order they are written; whatever goes wrong becomes words."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse words that are text, on a terminal that may lack some of it."""
        settle_output()
        for word in args:
            try:
                word.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"expected UTF-8, found {word!a}") from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            if sys.stdout:  # there is none where a script has closed it
                sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except KeyboardInterrupt as stop:
            click.echo(str(stop) or "stopped", err=True)
            ctx.exit(stop_status())
        # A panic of Polars is no Exception.
        except BaseException as error:
            if is_asked():
                click.echo("stopped", err=True)
                ctx.exit(stop_status())
            if is_closed_pipe(error):
                raise
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            options.say(describe_failure(error, is_told=is_verbose()), err=True)
            # As of diff(1): 1 says that there is a difference.
            ctx.exit(2 if ctx.invoked_subcommand in ("diff", "show") else 1)
        return result


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quiet", is_flag=True, help="Warnings and errors only.")
@click.option("--verbose", is_flag=True, help="Every step, with its rows.")
@click.option(
    "--project",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The project to work on; default: the one around the working folder.",
)
@click.pass_context
def main(
    ctx: click.Context,
    quiet: bool,
    verbose: bool,
    project: Path | None,  # noqa: ARG001 # read by `options.project_root`
) -> None:
    """Turn raw panel data into features, and ask the snapshots anything in SQL."""
    # https://no-color.org; a dumb terminal shows the codes of colours
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
    ctx.with_resource(progress.shown(ctx.invoked_subcommand or ""))
    _show_log(quiet=quiet, verbose=verbose)
    require_room()


def _quiet_or_verbose(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command that logs choose how much, also after its name."""

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            _show_log(quiet=param.name == "quiet", verbose=param.name == "verbose")

    for name, text in (
        ("--verbose", "Every step, with its rows."),
        ("--quiet", "Warnings and errors only."),
    ):
        option = click.option(
            name, is_flag=True, expose_value=False, callback=show, help=text
        )
        command = option(command)
    return command


def _settings(profile: str | None, overrides: tuple[str, ...]) -> "Settings":
    """Load the settings of the project around the working folder."""
    _forget_racy_modules()
    from pipeline.plan.settings import load_settings

    return load_settings(options.project_root(), profile=profile, overrides=overrides)


def _forget_racy_modules() -> None:
    """Let no cached module of ours stand for one that was edited since."""
    from pipeline.plan.code import PACKAGE, forget_racy_bytecode

    forget_racy_bytecode(PACKAGE)


def _open() -> "Store":
    """Return the store of the project, whatever its configuration says."""
    from pipeline.snapshots.store import open_store

    return open_store(options.project_root())


@main.command()
@click.argument("words", nargs=-1, required=True, metavar="FILE... [PATH=VALUE]...")
@click.option("--time", default="", metavar="NAME", help="Column of the period.")
@click.option(
    "--entity", default="", metavar="A,B", help="Columns that name what has rows."
)
@click.option("--target", default="", metavar="NAME", help="Column to forecast.")
@click.option("--every", metavar="1mo", help="Length of a period: 1y, 1q, 1w, 1d, 1h.")
def init(
    words: tuple[str, ...], time: str, entity: str, target: str, every: str | None
) -> None:
    """Make a project of the data in files, a folder or a pattern.

    Looks at all rows, chooses what makes a panel of them, says why, and writes
    configs/, queries/ and a justfile here, or in --project DIR; overwrites nothing.
    What the file does not tell is said as source.decimal=, or source.sheet=Sales, and
    kinds as columns.Day=date.
    """
    from pipeline.init import Wishes, every_of, init

    settings = [w for w in words if "=" in w and not Path(w).exists()]
    files = [Path(word) for word in words if word not in settings]
    if not files:
        raise click.UsageError("expected a file, a folder or a pattern")
    named = tuple(name.strip() for name in entity.split(",") if name.strip())
    wishes = Wishes(time, named, target, every_of(every) if every else None)
    commands = {
        name: command.get_short_help_str(80).strip(" .")
        for name, command in main.commands.items()
        if name != "init" and not command.hidden
    }
    made = init(
        files,
        options.new_root(),
        wishes,
        settings,
        commands=commands,
        ask=options.ask,
    )
    width = max(len(choice.value) for choice in made.choices)
    for choice in made.choices:
        click.echo(
            f"  {choice.what:6}  {choice.value:{width}}  {choice.sure:10}  {choice.saw}"
        )
    for note in made.notes:
        click.echo(f"  {note}")
    click.echo(f"wrote {', '.join(shown(path) for path in made.files)}")
    click.echo(
        "next:\n"
        "  pipeline run         make the features\n"
        "  pipeline query       questions to ask of them\n"
        "  pipeline pipeline    train, judge, and forecast the next period"
    )


@main.command()
@_quiet_or_verbose
@options.profile
@options.selection
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why.")
@options.variant("--variant", help="Publish nothing; keep it as a variant.")
@options.overrides
def run(
    profile: str | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    variant: str | None,
    **selection: Any,
) -> None:
    """Compute what is not fresh, in one pass, and publish it.

    Overrides change configuration values: lag_columns.periods=2, source=csv
    source.path=my.csv.
    """
    if variant and any(selection.values()):
        raise click.UsageError("a variant is of all stages: leave the selection out")
    if dry_run:
        _print_freshness(_settings(profile, overrides), selection)
        return
    if variant:
        _run_variant(variant, profile, overrides)
        return
    from pipeline.run.start import start

    report = start(options.project_root(), profile, overrides, **selection)
    if report is None:
        from pipeline.run.explain import no_snapshot

        options.say(no_snapshot(selection["only"]))
        return
    if not is_quiet():
        _print_run(report, "the selected" if any(selection.values()) else "all")
    if not isinstance(report, str) and report.is_new:
        score_come(profile, overrides)


def _run_variant(name: str, profile: str | None, overrides: tuple[str, ...]) -> None:
    """Make a variant, and say what came of it."""
    from pipeline.commands.variant_cli import load_with_models, print_swept
    from pipeline.variants.sweep import make_variant

    root = options.project_root()
    swept = make_variant(root, name, overrides, profile=profile, load=load_with_models)
    if not is_quiet():
        print_swept(swept)


def _print_run(report: "RunReport | str", what: str) -> None:
    """Say what was made, and what to try next."""
    if isinstance(report, str) or not report.is_new:
        run_id = report if isinstance(report, str) else report.run.run_id
        click.echo(
            f"{what} snapshots are fresh, as run {run_id} left them: nothing to do"
        )
        return
    width = max(len(snapshot.name) for snapshot in report.run.snapshots)
    for snapshot in report.run.snapshots:
        there = report.objects[snapshot.name]
        click.echo(
            f"  {snapshot.name:{width}}  {there.n_rows:>10,} rows"
            f" {len(there.columns):>3} columns {there.n_bytes / 1e6:>7.1f} MB"
            f"  {snapshot.state}"
        )
    place = shown(report.catalog)
    click.echo(f"run {report.run.run_id}: {report.total_s:.1f} s, in {place}")
    if report.run.n_bad_rows:
        options.say(
            f"{report.run.n_bad_rows} bad rows set aside: `just sql 'from quarantine'`",
            fg="yellow",
        )
    options.say(
        "next:\n"
        "  just sql 'from features limit 5'    ask anything\n"
        "  just query                          questions already asked\n"
        "  just run lag_columns.periods=2      change a value; only what follows runs\n"
        "  just diff features                  what that changed\n"
        "  just plan                           the stages, and what is fresh"
    )


def _print_freshness(settings: "Settings", selection: dict[str, Any]) -> None:
    """Say what a run would do, and why."""
    from pipeline.run.explain import describe_freshness
    from pipeline.run.freshness import Selection

    click.echo(describe_freshness(settings, Selection(**selection)))


@main.command()
@click.argument(
    "overrides",
    nargs=-1,
    metavar="[SETTING=VALUE]...",
    shell_complete=completion.of_source,
)
def data(overrides: tuple[str, ...]) -> None:
    """Make or fetch what the sources need, if it is not there: data scale=10."""
    from pipeline import sources
    from pipeline.files.local import find_files, stat_of

    words = tuple(f"source.{word}" for word in overrides)
    settings = _settings(None, words)
    for source in settings.sources.values():
        sources.fetch(source, settings.root)
        path = sources.reads(source, settings.root).path
        for file in find_files(path, settings.root):
            name = shown(file) if isinstance(file, Path) else file
            n_bytes = stat_of(file, settings.root).n_bytes
            click.echo(f"{name}  {n_bytes / 1e6:,.1f} MB")
    options.say(f"next:\n  {' '.join(('just run', *words))}")


@main.command()
@click.option("--optimized", is_flag=True, help="Print the optimized Polars plan.")
@options.profile
@options.selection
@options.overrides
def plan(
    optimized: bool, profile: str | None, overrides: tuple[str, ...], **selection: Any
) -> None:
    """Show stages, schemas and what is fresh, or why not; read no data."""
    settings = _settings(profile, overrides)
    from pipeline.run.explain import describe, optimized_plan
    from pipeline.run.freshness import Selection

    if optimized:
        click.echo(optimized_plan(settings))
        return
    click.echo(f"{describe(settings, Selection(**selection))}\n")
    _print_freshness(settings, selection)


@main.command()
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
    from pipeline.plan.descriptions import describe
    from pipeline.run.run import check
    from pipeline.snapshots.records import PREDICTIONS

    column, overrides = options.split(words, "column")
    if column and column.partition(".")[0] == PREDICTIONS:
        raise LineageError(
            f"lineage: '{PREDICTIONS}' is what a model makes of all columns of the"
            " features, no stage's\n"
            "hint: the lineage ends at the features: `just lineage features` says what"
            " each of these is made of, and the model's card which of them count"
        )
    settings = _settings(profile, overrides)
    plan = check(settings)
    means = describe(settings, plan)
    said = show(plan.lineage(), column, format_, forward=downstream, descriptions=means)
    click.echo(said)


@main.command()
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

    store = _open()
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
    settings = _settings(profile or run.profile, overrides)
    found = why_of(settings, store, run, name, asked)
    click.echo(show(found, format_, every_row=every_row))


@main.command()
@options.profile
@options.overrides
def config(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Print the resolved configuration as YAML, that of the models last."""
    from omegaconf import OmegaConf

    from pipeline.modeling.settings import load_shown

    shown = load_shown(options.project_root(), profile=profile, overrides=overrides)
    last = dict(sorted(shown.items(), key=lambda item: item[0] in _OF_MODELS))
    click.echo(OmegaConf.to_yaml(OmegaConf.create(last)), nl=False)


class _Statement(click.Command):
    """Takes a statement that begins with a comment, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        comments = [word for word in args if re.match(r"--(\s|[^=\n]*\n)", word)]
        options = [word for word in args if word not in comments]
        if comments:
            options += ["--", *comments]
        return super().parse_args(ctx, options)


@main.command(cls=_Statement)
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

    store = _open()
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
                write_result(con, select(con, one), format_, output, keys=keys)


@main.command(context_settings=_RUNS)
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
    type=click.IntRange(min=1),
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
    settings = _settings(profile, overrides)
    from pipeline.run.rows import look_now
    from pipeline.run.show import Asked, diff_against, show_figures
    from pipeline.run.show import show as show_rows

    is_table = output is None and format_ in (None, "table", "vertical")
    if limit is None and is_table and not (stats or against):
        limit = 20
    now, asked = look_now(settings), Asked(where, options.names_in(columns), limit)
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


@main.command("profile")
@click.argument(
    "words",
    nargs=-1,
    metavar="[STAGE] [PATH=VALUE]...",
    shell_complete=completion.frames_or_settings,
)
@options.profile
def profile_stages(words: tuple[str, ...], profile: str | None) -> None:
    """Time each stage alone, or one, and keep that in meta.stage_times.

    Each is given its inputs in memory, in a process of its own; seconds are the best of
    three, memory is the peak with inputs and output. A run takes less: it shares work
    and leaves columns out.
    """
    stage, overrides = options.split(words, "stage")
    settings = _settings(profile, overrides)
    from pipeline.run.rows import look_now, named
    from pipeline.run.times import describe, keep, time_stages

    now = look_now(settings)
    plan = now.wanted.plan
    names = [named(plan, stage)] if stage else [*plan.sources, *plan.nodes]
    times = time_stages(now, names)
    for line in describe(times):
        click.echo(line)
    keep(now, times)


@main.command(cls=_Statement)
@click.argument("statement", shell_complete=completion.statement)
def bisect(statement: str) -> None:
    """Find the kept run in which a statement became true, and what changed in it.

    The statement is a SELECT of one boolean; it sees the snapshots of one run at a
    time. The exit code is 1 if it is true of none.
    """
    from pipeline.run.causes import changes_of_rows
    from pipeline.snapshots.bisect import bisect as bisect_runs

    store = _open()
    found = bisect_runs(store, statement)
    for line in found.lines():
        click.echo(line)
    if found.first is None:
        raise SystemExit(1)
    if found.before is not None:
        _forget_racy_modules()
        changes = changes_of_rows(store.root, found.before.run, found.first.run)
        for line in changes.lines():
            click.echo(f"  {line}")


@main.command()
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
    from pipeline.process import when_asked
    from pipeline.snapshots.result import write_result
    from pipeline.snapshots.sql import (
        connect,
        key_columns,
        load_query,
        query_names,
        run_query,
    )

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
    store = _open()
    with connect(store) as con, when_asked(con.interrupt):
        found = run_query(con, wanted, given)
        write_result(con, found, format_, output, keys=key_columns(store))


def _assignment(word: str) -> tuple[str, str]:
    """Split ``param=value``."""
    name, equals, value = word.partition("=")
    if not equals:
        raise click.UsageError(f"expected PARAM=VALUE, found '{word}'")
    return name, value


@main.command(context_settings=_RUNS)
@click.argument("snapshot", shell_complete=completion.snapshots)
@click.argument("run_a", required=False, shell_complete=completion.runs)
@click.argument("run_b", required=False, shell_complete=completion.runs)
@click.option(
    "--tolerance",
    type=float,
    default=0.0,
    show_default=True,
    help="Numbers are equal if they differ by no more of the larger one.",
)
@options.variant("--variant", help="Compare RUN_A, or latest, with it.")
@click.option("--why", is_flag=True, help="Split it by what made the difference.")
@options.text_or("markdown", "json")
def diff(
    snapshot: str,
    run_a: str | None,
    run_b: str | None,
    tolerance: float,
    variant: str | None,
    why: bool,
    format_: str,
) -> None:
    """Compare a snapshot of two runs by its key: by default the last two.

    The exit code is 1 if they differ, 2 for an error. A run is its id, the beginning
    of it, `latest`, `previous`, or -1, -2 ... back.
    """
    if variant and (why or run_b):
        raise click.UsageError("a variant is compared with one run, and without --why")
    store = _open()
    runs = (run_a or "previous", run_b or "latest")
    if why:
        _forget_racy_modules()
        from pipeline.run.causes import diff_by_cause
        from pipeline.snapshots.diff.steps import show as show_steps

        steps = diff_by_cause(store, snapshot, *runs, tolerance=tolerance)
        click.echo(show_steps(steps, format_), nl=False)
        if not steps.whole.is_nothing:
            raise SystemExit(1)
        return
    from pipeline.snapshots.diff.report import show
    from pipeline.snapshots.history import diff_runs, diff_variant

    if variant:
        before = run_a or "latest"
        title, found = diff_variant(
            store, variant, snapshot, before, tolerance=tolerance
        )
    else:
        title, found = diff_runs(store, snapshot, *runs, tolerance=tolerance)
    click.echo(show(found, title, format_), nl=False)
    if not found.is_equal:
        raise SystemExit(1)


@main.command()
@click.argument("target", type=click.Path(path_type=Path))
def export(target: Path) -> None:
    """Write the snapshots and meta.* into one native DuckDB file, to share."""
    from pipeline.snapshots.export import export as export_catalog
    from pipeline.snapshots.history import require_whole
    from pipeline.snapshots.sql import current_catalog

    store = _open()
    require_whole(store)
    with current_catalog(store) as catalog:
        tables = export_catalog(catalog, target)
    for table in tables:
        note = table.why_no_primary_key or f"key {', '.join(table.key)}"
        click.echo(f"  {table.name:20} {table.n_rows:>10,} rows  {note}")
    click.echo(f"{shown(target)}: {target.stat().st_size / 1e6:,.1f} MB")


@main.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write instead of .pipeline/docs; only pages of ours may be there.",
)
@click.option("--open", "opened", is_flag=True, help="Open them in the browser.")
@click.option("--serve", is_flag=True, help="Serve them to this machine, until Ctrl-C.")
@click.option("--port", default=8000, show_default=True, help="Of --serve.")
@click.option("--check", is_flag=True, help="Only name columns without a description.")
@options.profile
def docs(
    output: Path | None,
    opened: bool,
    serve: bool,
    port: int,
    check: bool,
    profile: str | None,
) -> None:
    """Write pages to look at: runs, plan, columns, snapshots, models.

    One folder, which opens from the disk and from any static host. With --check, the
    exit code is 1 if configs/columns.yaml describes not all published columns.
    """
    if check:
        _check_descriptions(_settings(profile, ()))
        return
    _forget_racy_modules()
    from pipeline.files.state import State
    from pipeline.pages.docs import write_pages

    root = options.project_root()
    folder = output or State(root).docs
    n_pages = write_pages(root, folder, profile=profile)
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


@main.command()
@click.argument("snapshot", required=False, shell_complete=completion.snapshots)
def history(snapshot: str | None) -> None:
    """List the runs; of a snapshot, its versions and what made each."""
    from pipeline.snapshots.history import describe_history
    from pipeline.snapshots.store import read_runs

    store = _open()
    for line in describe_history(store, read_runs(store), snapshot):
        click.echo(line)


@main.command(context_settings=_RUNS)
@click.argument("run", shell_complete=completion.runs)
def restore(run: str) -> None:
    """Publish an earlier run's snapshots again: an id, `previous`, or -1, -2 ..."""
    from pipeline.snapshots.history import restore as restore_run

    record = restore_run(_open(), run)
    click.echo(f"run {record.run_id} shows the snapshots of {record.restores}")
    options.say("next:\n  just run                 what the configuration says, again")


@main.command()
@click.option("--lock", is_flag=True, help="Hold what a run gives to pipeline.lock.")
@options.profile
@options.overrides
def verify(lock: bool, profile: str | None, overrides: tuple[str, ...]) -> None:
    """Compare every kept object with its checksum, and drop what is damaged.

    With --lock, compute what is not fresh, beside what is published, and hold it to
    pipeline.lock: the same rows, or the first stage that differs, and whether data,
    configuration, code or versions do.
    The exit code is 1 if something is damaged, or differs.
    """
    if lock:
        _verify_lock(profile, overrides)
        return
    if profile or overrides:
        raise click.UsageError("a configuration is only asked for with --lock")
    from pipeline.modeling.records import damaged_models
    from pipeline.snapshots.history import verify as verify_store

    store = _open()
    damages = verify_store(store)
    for damage in damages:
        click.echo(damage)
    if damages:
        click.echo(f"{len(damages)} damaged, and dropped")
    models = damaged_models(store.root)
    for fault in models:
        click.echo(fault)
    if models:
        options.say(
            f"{len(models)} files of models damaged, and not used: `just evaluate`"
            " makes a model and its figures again, `just promote` says what is lost"
        )
    if damages or models:
        raise SystemExit(1)
    click.echo("all objects are whole")


def _verify_lock(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Compute what the lock is of, unless another profile is named, and compare."""
    _forget_racy_modules()
    from pipeline.run.lock import compare, lock_of, read_lock
    from pipeline.variants.sweep import run_beside

    expected = read_lock(options.project_root())
    settings = _settings(profile or expected.profile or None, overrides)
    with run_beside(settings) as report:
        verdict = compare(expected, lock_of(report))
    for line in verdict.lines:
        click.echo(line)
    if not verdict.is_same:
        raise SystemExit(1)


@main.command()
@click.option(
    "--against",
    metavar="RUN",
    shell_complete=completion.runs_or_lock,
    default="latest",
    show_default=True,
    help="A run, `lock` for pipeline.lock, or a DuckDB file of `just export`.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write instead of the terminal.",
)
@options.profile
@options.overrides
def review(
    against: str, output: Path | None, profile: str | None, overrides: tuple[str, ...]
) -> None:
    """Write, in Markdown, what a change of the project does to what is published.

    Computes what is stale, beside what is published, which stays as it is.
    """
    settings = _settings(profile, overrides)
    features = None
    if (settings.root / "configs" / "modeling.yaml").exists():
        from pipeline.modeling.settings import load_modeling

        models = load_modeling(settings.root, profile=profile, overrides=overrides)
        settings, features = models.pipeline, models.modeling.features
    from pipeline.review.markdown import to_comment
    from pipeline.review.review import review as review_of

    text = to_comment(review_of(settings, features, against))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SnapshotError(
            f"{output}: cannot be written\nfound: {error.strerror or error}"
        ) from error


@main.command("lock-results")
@options.profile
@options.overrides
def lock_results(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Write what a run gives into pipeline.lock, to be committed; run what is stale."""
    settings = _settings(profile, overrides)
    from pipeline.run.lock import lock_of, write_lock
    from pipeline.run.run import run

    lock = lock_of(run(settings))
    click.echo(
        f"{shown(write_lock(settings.root, lock))}: {len(lock.snapshots)} snapshots"
    )


@main.command()
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
def gc(dry_run: bool) -> None:
    """Remove what neither a kept run nor an open reader needs, and unfinished parts."""
    from pipeline.run.kept import clear_up

    found = clear_up(_open(), dry_run=dry_run)
    for place in found:
        click.echo(shown(place) if isinstance(place, Path) else place)
    click.echo(f"{len(found)} {'to remove' if dry_run else 'removed'}")


@main.command(context_settings=_RUNS)
@click.argument("run", required=False, shell_complete=completion.runs)
def runs(run: str | None) -> None:
    """List the logs of all runs, also of those that failed; of one, its steps."""
    from pipeline.log import describe_log, describe_logs, logs_of
    from pipeline.snapshots.store import find_id, is_writing

    store = _open()
    if run is None:
        lines = describe_logs(store.logs, is_running=is_writing(store))
    else:
        logs = logs_of(store.logs)
        lines = describe_log(logs[find_id([*logs], run)])
    for line in lines:
        click.echo(line)


@main.command("new-transform")
@click.argument("name")
def new_transform(name: str) -> None:
    """Write a transformation's three files, and its line in pipeline.yaml."""
    from pipeline.commands.scaffold import write_transform

    *files, stages = write_transform(options.project_root(), name)
    for path in files:
        click.echo(shown(path))
    click.echo(f"and a line in {shown(stages)}")


for command in (*OF_VARIANTS, *COMMANDS, *completion.COMMANDS):
    main.add_command(command)
