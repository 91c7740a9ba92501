"""What several commands are given, open and show."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import progress
from pipeline.commands import completion
from pipeline.log import show_on_terminal
from pipeline.progress import doing, hidden

if TYPE_CHECKING:
    from pipeline.init import Unsure
    from pipeline.plan.settings import Settings
    from pipeline.run.outline import Outline
    from pipeline.snapshots.records import RunRecord
    from pipeline.snapshots.store import Store


RUNS = {"ignore_unknown_options": True}
"""Of commands that take a run: -1 is one, not an option."""


def show_log(*, quiet: bool, verbose: bool) -> None:
    """Choose what of the log reaches the terminal."""
    import logging

    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    show_on_terminal(level, as_typed)
    if quiet:
        progress.stop()


def project_root() -> Path:
    """Find the project: that of `--project`, or the one around the working folder.

    A ConfigError if it is not there.
    """
    from pipeline.files.local import find_root, require_project

    context = click.get_current_context(silent=True)
    named: Path | None = context and context.find_root().params.get("project")
    return require_project(named.resolve()) if named else find_root()


def new_root() -> Path:
    """Name the folder for a new project: that of `--project`, or the working folder."""
    context = click.get_current_context(silent=True)
    named: Path | None = context and context.find_root().params.get("project")
    return (named or Path.cwd()).absolute()


def as_typed(text: str) -> str:
    """Name commands of ours, `just NAME`, as they are typed in the project.

    These are in backquotes, or begin a line of ``next:``. Without a justfile they are
    ``pipeline NAME``; what else the text holds stays.
    """
    context = click.get_current_context(silent=True)
    group = context and context.find_root().command
    if not isinstance(group, click.Group) or has_justfile():
        return text
    ours = "|".join(map(re.escape, group.commands))
    return re.sub(rf"(?m)(`|^  )just (?=({ours})(?![\w-]))", r"\1pipeline ", text)


def has_justfile() -> bool:
    """Tell whether the project has one, under any name that just takes."""
    with suppress(Exception):  # no project, or a library that is not there
        names = {path.name.lower() for path in project_root().iterdir()}
        return not names.isdisjoint(("justfile", ".justfile"))
    return False


def say(text: str, *, err: bool = False, fg: str | None = None) -> None:
    """Print what may name commands of ours, as they are typed in the project."""
    click.secho(as_typed(text), err=err, fg=fg)


def ask(question: "Unsure") -> str:
    """Ask on a terminal what nobody else can tell; elsewhere raise the question."""
    if not question.options or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise question
    with hidden():
        click.echo(str(question))
        return click.prompt(f"--{question.what}", type=click.Choice(question.options))


def _joined(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    names: tuple[str, ...],
) -> str | None:
    """Write several profiles as one word."""
    return ",".join(names) if names else None


profile = click.option(
    "--profile",
    metavar="NAME",
    multiple=True,
    callback=_joined,
    shell_complete=completion.profiles,
    help="Overlay of configs/profiles/, e.g. origin; several, in their order.",
)
overrides = click.argument(
    "overrides",
    nargs=-1,
    metavar="[PATH=VALUE]...",
    shell_complete=completion.settings,
)


def format_(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose how a result is written."""
    for option in (
        click.option(
            "--vertical",
            "format_",
            flag_value="vertical",
            help="Show a table of a line per value.",
        ),
        click.option(
            "--format",
            "format_",
            type=click.Choice(["table", "vertical", "csv", "json", "parquet"]),
            help="Default: by the suffix of the output file, else a table.",
        ),
    ):
        command = option(command)
    return command


def harmless(
    ctx: click.Context,
    param: click.Parameter,  # noqa: ARG001
    target: Path | str | None,
) -> Path | str | None:
    """Refuse to write in place of what the project is made of."""
    if target is not None and not ctx.resilient_parsing:
        from pipeline.files.remote import is_remote
        from pipeline.plan.output import refuse_to_lose

        if not is_remote(str(target)):
            refuse_to_lose(Path(target), project_root())
    return target


output = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=harmless,
    help="File to write instead of the terminal.",
)


def text_or(*others: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Offer other formats than text."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(["text", *others]),
        default="text",
        show_default=True,
    )


def _wait(
    ctx: click.Context,
    param: click.Parameter,  # noqa: ARG001
    seconds: float | None,
) -> None:
    """Let the command wait for whoever holds a lock that it needs."""
    if seconds is None or ctx.resilient_parsing:
        return
    if not seconds >= 0:
        raise click.BadParameter(f"expected 0 seconds or more, found {seconds:g}")
    from pipeline.snapshots.exclusive import patient

    ctx.with_resource(patient(seconds))


wait = click.option(
    "--wait",
    type=float,
    metavar="[=SECONDS]",
    expose_value=False,
    callback=_wait,
    help="Wait for another process that writes, instead of giving up.",
)
"""Without a value it is for ever; see the command line's `parse_args`."""

_stage = partial(click.option, metavar="STAGE", shell_complete=completion.stages)
variant = partial(click.option, metavar="NAME", shell_complete=completion.variants)


def selection(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose stages."""
    for option in (
        click.option("--force", is_flag=True, help="Compute what is fresh, too."),
        _stage("--only", help="This stage's snapshot only."),
        _stage("--from", "from_", help="It, and all after it."),
        _stage("--to", help="This stage, and all before it."),
    ):
        command = option(command)
    return command


def split(words: tuple[str, ...], what: str) -> tuple[str | None, tuple[str, ...]]:
    """Tell a name, which there may be, from overrides, which have a ``=``."""
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise click.UsageError(f"expected one {what}, found {', '.join(names)}")
    return names[0] if names else None, tuple(word for word in words if "=" in word)


def names_in(text: str | None) -> tuple[str, ...]:
    """Read names between commas; one that holds a comma stands in double quotes."""
    import csv

    rows = csv.reader([text or ""], skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row)


def shown(path: Path) -> str:
    """Show a path relative to the working folder where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def settings(profile: str | None, overrides: tuple[str, ...]) -> "Settings":
    """Load the settings of the project around the working folder.

    What the command finds out of their stages is kept, and what was found is known.
    """
    forget_racy_modules()
    refuse_misspelt(profile, overrides)
    root = project_root()
    with doing("loading settings and libraries"):
        from pipeline.plan.settings import load_settings

        found = load_settings(root, profile=profile, overrides=overrides)
    keep_found(found, profile, overrides)
    return found


def keep_found(
    settings: "Settings", profile: str | None, overrides: tuple[str, ...]
) -> None:
    """Keep what the command finds out of stages and modules, if words alone decide."""
    from pipeline.plan.content import Memo
    from pipeline.plan.found import keeping

    if not settings.environment:
        memo = Memo(settings.root, "stages", profile, overrides)
        click.get_current_context().with_resource(keeping(memo))


def refuse_misspelt(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Refuse the one word there is, if it is known to name no setting."""
    from pipeline.plan.misspelt import refuse_misspelt as refuse

    refuse(project_root(), profile, overrides)


def outline(profile: str | None, overrides: tuple[str, ...]) -> "Outline":
    """Return what is known of the plan without data: kept, or of the settings."""
    forget_racy_modules()
    from pipeline.run.outline import outline as outline_of

    load = partial(settings, profile, overrides)
    return outline_of(project_root(), profile, overrides, load)


def forget_racy_modules() -> None:
    """Let no cached module of ours stand for one that was edited since."""
    from pipeline.plan.code import forget_racy_modules as forget

    forget()


def last_snapshot(run: "RunRecord") -> str:
    """Name the last snapshot of a run that a stage makes."""
    from pipeline.snapshots.records import QUARANTINE

    return [QUARANTINE, *(s.name for s in run.snapshots if s.stage)][-1]


def open_store() -> "Store":
    """Return the store of the project, whatever its configuration says."""
    from pipeline.snapshots.store import open_store as open_of

    return open_of(project_root())


class Statement(click.Command):
    """Takes a statement that begins with a comment, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take comments for words, behind the options."""
        comments = [word for word in args if re.match(r"--(\s|[^=\n]*\n)", word)]
        options = [word for word in args if word not in comments]
        if comments:
            options += ["--", *comments]
        return super().parse_args(ctx, options)


def quiet_or_verbose(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command that logs choose how much, also after its name."""

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            show_log(quiet=param.name == "quiet", verbose=param.name == "verbose")

    for name, text in (
        ("--verbose", "Every step, with its rows."),
        ("--quiet", "Warnings and errors only."),
    ):
        option = click.option(
            name, is_flag=True, expose_value=False, callback=show, help=text
        )
        command = option(command)
    return command
