"""The command that writes tasks for what runs a team's jobs."""

from pathlib import Path

import click

from pipeline.commands import options
from pipeline.commands.options import shown
from pipeline.orchestrate import FILES


@click.command()
@click.argument("tool", type=click.Choice([*FILES]))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=options.harmless,
    help=f"File to write; default: {', '.join(FILES.values())} in the project.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if it is out of date.")
@options.profile
@options.overrides
def orchestrate(
    tool: str,
    output: Path | None,
    check: bool,
    profile: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Write the tasks for another tool, from run to forecast, with what follows what.

    Values are those of `orchestrate` in configs/pipeline.yaml. All stages are one task,
    as they are one plan; models that do not need each other are side by side.
    """
    with options.doing("loading settings and libraries"):
        from pipeline.orchestrate.tasks import tasks_of
        from pipeline.orchestrate.write import render, require_current, write

        root = options.project_root().resolve()
        tasks = tasks_of(root, profile=profile, overrides=overrides)
    target = output.parent.resolve() / output.name if output else root / FILES[tool]
    program = "just" if options.has_justfile() else "pipeline"
    text = render(tool, tasks, root, target, program)
    if check:
        require_current(text, target)
        click.echo(f"{shown(target)}: up to date")
        return
    write(text, target)
    click.echo(f"{shown(target)}: {len(tasks.tasks)} tasks")
