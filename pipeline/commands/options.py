"""Options that several commands have."""

from pathlib import Path

import click


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
    help="Overlay of configs/profiles/, e.g. origin; of several, the last one wins.",
)
overrides = click.argument("overrides", nargs=-1, metavar="[PATH=VALUE]...")
format_ = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="Default: by the suffix of the output file, else a table.",
)
output = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write instead of the terminal.",
)
