"""Options that several commands have."""

from pathlib import Path

import click

profile = click.option(
    "--profile", metavar="NAME", help="Overlay of configs/profiles/, e.g. origin."
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
