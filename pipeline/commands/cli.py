"""The command line: its commands, and what becomes of what goes wrong.

A command's module is imported when it is asked for, and what costs time to import by
the command that needs it, so that each begins at once.
"""

import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from pipeline import progress
from pipeline.commands import options
from pipeline.commands.failure import describe_failure, is_closed_pipe, settle_output
from pipeline.commands.notify import Heard, telling
from pipeline.errors import PipelineError
from pipeline.log import is_verbose
from pipeline.process import is_asked, require_room, stop_status

_MODULES = {
    "run_cli": "init run data plan config new-transform",
    "ask_cli": "docs show sql query lineage why profile",
    "model_cli": "pipeline tune train evaluate compare promote forecast monitor score"
    " serve audit impact ui",
    "variant_cli": "sweep variants adopt",
    "history_cli": "history diff bisect review export restore verify lock-results gc"
    " push pull runs",
    "orchestrate_cli": "orchestrate",
    "completion": "completion complete",
}
"""The commands of each module, in the order of the help."""


class _Late(MutableMapping[str, click.Command]):
    """Commands by name; a module is imported when one of its commands is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Callable[[], click.Command]] = {
            name: partial(_command, module, name)
            for module, names in _MODULES.items()
            for name in names.split()
        }

    def __getitem__(self, name: str) -> click.Command:
        return self._made[name]()

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._made[name] = lambda: command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _command(module: str, name: str) -> click.Command:
    """Import a command."""
    found = import_module(f"pipeline.commands.{module}")
    return getattr(found, name.replace("-", "_"))


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
        # Click would take the word behind it for its value.
        args = ["--wait=inf" if word == "--wait" else word for word in args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with telling(ctx) as heard:
            return self._invoke(ctx, heard)

    def _invoke(self, ctx: click.Context, heard: Heard) -> Any:
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
                heard.error = "the output: nobody reads it any more"
                raise
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            heard.error = options.as_typed(
                describe_failure(error, is_told=is_verbose())
            )
            click.secho(heard.error, err=True)
            code = error.exit_code if isinstance(error, PipelineError) else 1
            # As of diff(1): 1 says that there is a difference.
            ctx.exit(max(code, 2 if ctx.invoked_subcommand in ("diff", "show") else 1))
        return result


@click.group(
    cls=_Commands,
    commands=_Late(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
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
    options.show_log(quiet=quiet, verbose=verbose)
    require_room()
