"""The commands that look back: at runs, and what is different."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands import completion, options
from pipeline.commands.options import shown
from pipeline.errors import PipelineError, SnapshotError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.settings import Settings


@click.command()
@click.argument("snapshot", required=False, shell_complete=completion.snapshots)
def history(snapshot: str | None) -> None:
    """List the runs; of a snapshot, its versions and what made each."""
    from pipeline.snapshots.history import describe_history
    from pipeline.snapshots.store import read_runs

    store = options.open_store()
    for line in describe_history(store, read_runs(store), snapshot):
        click.echo(line)


@click.command(context_settings=options.RUNS)
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
    store = options.open_store()
    runs = (run_a or "previous", run_b or "latest")
    if why:
        options.forget_racy_modules()
        from pipeline.run.causes import diff_by_cause
        from pipeline.snapshots.diff.steps import show as show_steps

        steps = diff_by_cause(store, snapshot, *runs, tolerance=tolerance)
        click.echo(show_steps(steps, format_), nl=False)
        if not steps.whole.is_nothing:
            raise SystemExit(1)
        return
    from pipeline.snapshots.history import diff_runs, diff_variant

    if variant:
        before = run_a or "latest"
        title, found = diff_variant(
            store, variant, snapshot, before, tolerance=tolerance
        )
    else:
        title, found = diff_runs(store, snapshot, *runs, tolerance=tolerance)
    from pipeline.snapshots.diff.report import show

    click.echo(show(found, title, format_), nl=False)
    if not found.is_equal:
        raise SystemExit(1)


@click.command(cls=options.Statement)
@click.argument("statement", shell_complete=completion.statement)
def bisect(statement: str) -> None:
    """Find the kept run in which a statement became true, and what changed in it.

    The statement is a SELECT of one boolean; it sees the snapshots of one run at a
    time. The exit code is 1 if it is true of none.
    """
    from pipeline.run.causes import changes_of_rows
    from pipeline.snapshots.bisect import bisect as bisect_runs

    store = options.open_store()
    found = bisect_runs(store, statement)
    for line in found.lines():
        click.echo(line)
    if found.first is None:
        raise SystemExit(1)
    if found.before is not None:
        options.forget_racy_modules()
        changes = changes_of_rows(store.root, found.before.run, found.first.run)
        for line in changes.lines():
            click.echo(f"  {line}")


@click.command()
@options.wait
@click.option(
    "--against",
    metavar="RUN",
    shell_complete=completion.runs_or_lock,
    default="latest",
    show_default=True,
    help="A run, `lock` for pipeline.lock, or a DuckDB file of `just export`.",
)
@options.output
@options.profile
@options.overrides
def review(
    against: str, output: Path | None, profile: str | None, overrides: tuple[str, ...]
) -> None:
    """Write, in Markdown, what a change of the project does to what is published.

    Computes what is stale, beside what is published, which stays as it is.
    """
    store = options.open_store()
    options.forget_racy_modules()
    from pipeline.review.markdown import refusal, to_comment
    from pipeline.review.review import review as review_of
    from pipeline.review.review import said

    try:
        settings, features = _with_features(profile, overrides)
        text = to_comment(review_of(settings, features, against))
    except SnapshotError:  # there is nothing to compare with, or no place for rows
        raise
    except PipelineError as error:  # of the project: that is what is to be said of it
        text = f"{refusal([said(error, store)])}\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SnapshotError(
            f"{output}: cannot be written\nfound: {error.strerror or error}"
        ) from error


def _with_features(
    profile: str | None, overrides: tuple[str, ...]
) -> tuple["Settings", str | None]:
    """Load the settings, and say which snapshot models learn from, if any do."""
    settings = options.settings(profile, overrides)
    if not (settings.root / "configs" / "modeling.yaml").exists():
        return settings, None
    from pipeline.modeling.settings import load_modeling

    models = load_modeling(settings.root, profile=profile, overrides=overrides)
    return models.pipeline, models.modeling.features


@click.command()
@click.argument("target", type=click.Path(path_type=Path), callback=options.harmless)
def export(target: Path) -> None:
    """Write the snapshots and meta.* into one native DuckDB file, to share."""
    from pipeline.snapshots.export import export as export_catalog
    from pipeline.snapshots.history import require_whole
    from pipeline.snapshots.sql import current_catalog

    store = options.open_store()
    require_whole(store)
    with current_catalog(store) as catalog:
        tables = export_catalog(catalog, target)
    for table in tables:
        note = table.why_no_primary_key or f"key {', '.join(table.key)}"
        click.echo(f"  {table.name:20} {table.n_rows:>10,} rows  {note}")
    click.echo(f"{shown(target)}: {target.stat().st_size / 1e6:,.1f} MB")


@click.command(context_settings=options.RUNS)
@options.wait
@click.argument("run", shell_complete=completion.runs)
def restore(run: str) -> None:
    """Publish an earlier run's snapshots again: an id, `previous`, or -1, -2 ..."""
    from pipeline.snapshots.history import restore as restore_run

    record = restore_run(options.open_store(), run)
    click.echo(f"run {record.run_id} shows the snapshots of {record.restores}")
    options.say("next:\n  just run                 what the configuration says, again")


@click.command()
@options.wait
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

    store = options.open_store()
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
    options.forget_racy_modules()
    from pipeline.run.lock import compare, lock_of, read_lock
    from pipeline.variants.sweep import run_beside

    expected = read_lock(options.project_root())
    settings = options.settings(profile or expected.profile or None, overrides)
    with run_beside(settings) as report:
        verdict = compare(expected, lock_of(report))
    for line in verdict.lines:
        click.echo(line)
    if not verdict.is_same:
        raise SystemExit(1)


@click.command("lock-results")
@options.wait
@options.profile
@options.overrides
def lock_results(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Write what a run gives into pipeline.lock, to be committed; run what is stale."""
    settings = options.settings(profile, overrides)
    from pipeline.run.lock import lock_of, write_lock
    from pipeline.run.run import run

    lock = lock_of(run(settings))
    click.echo(
        f"{shown(write_lock(settings.root, lock))}: {len(lock.snapshots)} snapshots"
    )


@click.command()
@options.wait
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@click.option("--remote", is_flag=True, help="In `store.remote`, by age and runs.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="With --remote: what is no older stays. At least 1: a push may be at work.",
)
def gc(dry_run: bool, remote: bool, days: int) -> None:
    """Remove what neither a kept run nor an open reader needs, and unfinished parts.

    With --remote, from where clones share it: runs but the newest, as many as
    `history.runs` says, what no run that stays shows, and models; of all this, what is
    older than so many days.
    """
    found: Sequence[Path | str]
    if remote:
        from pipeline.snapshots.shared import clear_shared, require_shared

        settings = options.settings(None, ())
        shared, n_runs = require_shared(settings.shared), settings.history.runs
        before = datetime.now(UTC) - timedelta(days=days)
        found = clear_shared(shared, n_runs, before, dry_run=dry_run)
    else:
        from pipeline.run.kept import clear_up

        found = clear_up(options.open_store(), dry_run=dry_run)
    for place in found:
        click.echo(shown(place) if isinstance(place, Path) else place)
    click.echo(f"{len(found)} {'to remove' if dry_run else 'removed'}")


@click.command(context_settings=options.RUNS)
@click.argument("run", default="latest", shell_complete=completion.runs)
def push(run: str) -> None:
    """Send a run, by default the last, to `store.remote`, with all that it shows.

    And with the models that have learned from it, their figures and studies.
    """
    from pipeline.modeling.shared import send_models
    from pipeline.snapshots.shared import push_run, require_shared
    from pipeline.snapshots.store import find_run, read_runs

    settings, store = options.settings(None, ()), options.open_store()
    shared = require_shared(settings.shared)
    record = find_run(read_runs(store), run)
    sent = push_run(store, shared, record)
    n_models = send_models(store, shared, record)
    models = f", {n_models} model{'s' * (n_models != 1)}" if n_models else ""
    click.echo(f"run {record.run_id}: {sent}{models} sent to {shared}")


@click.command(context_settings=options.RUNS)
@options.wait
@click.argument("run", required=False)
def pull(run: str | None) -> None:
    """Bring a run here from `store.remote`, by default the newest, with its snapshots.

    It is one of the runs of here then, by its time; the newest of these is shown.
    """
    from pipeline.snapshots.shared import pull_run, require_shared

    settings, store = options.settings(None, ()), options.open_store()
    shared = require_shared(settings.shared)
    record, is_new = pull_run(store, shared, run, settings.history.runs)
    of = f", of commit {record.commit}" if record.commit else ""
    click.echo(f"run {record.run_id} {'is here now' if is_new else 'was here'}{of}")


@click.command(context_settings=options.RUNS)
@click.argument("run", required=False, shell_complete=completion.runs)
def runs(run: str | None) -> None:
    """List the logs of all runs, also of those that failed; of one, its steps."""
    from pipeline.log import describe_log, describe_logs, logs_of
    from pipeline.snapshots.store import find_id, is_writing

    store = options.open_store()
    if run is None:
        lines = describe_logs(store.logs, is_running=is_writing(store))
    else:
        logs = logs_of(store.logs)
        lines = describe_log(logs[find_id([*logs], run)])
    for line in lines:
        click.echo(line)
