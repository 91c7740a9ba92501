"""What the words of a command may become, for the completion of shells.

Read from the names of files and the newest run's record, so that it takes hardly longer
than ``--help``; whatever goes wrong, nothing is completed.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

import click

from pipeline.files.checksum import unseal
from pipeline.files.state import State

_PARAMETER = re.compile(r"^--\s*param:\s*(\w+)", re.MULTILINE)
"""As `pipeline.snapshots.sql` reads them."""

SOURCE = "source"

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]


class Known:
    """What is asked, and known of the project without its configuration and data."""

    def __init__(self, ctx: click.Context, begun: str) -> None:
        self.ctx = ctx
        self.begun = begun
        start = (ctx.find_root().params.get("project") or Path()).absolute()
        there = "configs/pipeline.yaml"
        folders = (start, *start.parents)
        self.root = next(folder for folder in folders if (folder / there).is_file())
        self.state = State(self.root)

    def words(self, argument: str) -> list[str]:
        """Return the words that an argument has already."""
        value = self.ctx.params.get(argument) or ()
        return [value] if isinstance(value, str) else [*value]

    def stems(self, pattern: str) -> list[str]:
        """Name files without their suffixes."""
        return sorted(path.stem for path in self.root.glob(pattern))

    def runs(self) -> list[str]:
        """Name the runs, the newest first."""
        return sorted(path.stem for path in self.state.runs.glob("*.json"))[::-1]

    @cached_property
    def run(self) -> dict[str, Any]:
        """The record of the newest run; empty before the first."""
        for run_id in self.runs()[:1]:
            import json

            record = unseal((self.state.runs / f"{run_id}.json").read_bytes())
            return json.loads(record) if record else {}
        return {}

    def named(self, what: str) -> list[str]:
        """Name the ``stages`` or ``snapshots`` of the newest run."""
        return [each["name"] for each in self.run.get(what, ())]

    def columns(self, name: str) -> list[str]:
        """Name the columns of a stage or snapshot, or of the source."""
        if name == SOURCE:
            lineage = self.run.get("lineage", ())
            return [*dict.fromkeys(edge[3] for edge in lineage if edge[2] == SOURCE)]
        stages = self.run.get("stages", ())
        found = [s["columns"] for s in stages if name in (s["name"], s["snapshot"])]
        return [column for column, _ in found[0]] if found else []

    def key(self, name: str) -> list[str]:
        """Name the columns of a snapshot's key."""
        snapshots = self.run.get("snapshots", ())
        return [column for s in snapshots if s["name"] == name for column in s["key"]]

    def settings(self) -> Iterator[str]:
        """Name the sections and values of the configuration, a level at a time."""
        section, _, _ = self.begun.rpartition(".")
        tree = self.run.get("config", {})
        for name in section.split(".") if section else ():
            tree = tree[name]
        for name, value in cast("dict[str, Any]", tree).items():
            path = f"{section}.{name}" if section else name
            yield f"{path}." if value and isinstance(value, dict) else f"{path}="

    def frames(self) -> list[str]:
        """Name what has rows to show: stages, snapshots and the source."""
        return [*self.named("stages"), *self.named("snapshots"), SOURCE]

    def cells(self) -> Iterator[str]:
        """Name stages and snapshots, or the columns of the one that is begun."""
        name, dot, _ = self.begun.rpartition(".")
        if dot:
            yield from (f"{name}.{column}" for column in self.columns(name))
        else:
            yield from (f"{frame}." for frame in self.frames())


def _offered(names: Callable[[Known], Iterable[str]]) -> Complete:
    """Offer those of some names that go on as was begun, each once."""

    def complete(
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG001
        begun: str,
    ) -> list[str]:
        with suppress(Exception):
            found = dict.fromkeys(names(Known(ctx, begun)))
            return [name for name in found if name.startswith(begun)]
        return []

    return complete


profiles = _offered(lambda known: known.stems("configs/profiles/*.yaml"))
stages = _offered(lambda known: known.named("stages"))
snapshots = _offered(lambda known: known.named("snapshots"))
runs = _offered(lambda known: ["latest", "previous", *known.runs()])
variants = _offered(lambda known: known.stems(".pipeline/variants/*.json"))
queries = _offered(lambda known: known.stems("queries/*.sql"))
settings = _offered(Known.settings)


@_offered
def models_or_settings(known: Known) -> Iterator[str]:
    """Offer models, and the settings that a command may change."""
    if "." not in known.begun:
        yield from known.stems("configs/models/*.yaml")
    yield from known.settings()


@_offered
def runs_or_lock(known: Known) -> Iterator[str]:
    """Offer what a review may hold a run to, but for files."""
    yield from ("latest", "previous", "lock", *known.runs())


@_offered
def of_source(known: Known) -> Iterator[str]:
    """Offer the settings of the source."""
    yield from (f"{name}=" for name in known.run["config"][SOURCE])


@_offered
def statement(known: Known) -> Iterator[str]:
    """Offer snapshots as the next word, and the columns of those that are named."""
    before, space, _ = known.begun.rpartition(" ")
    named = re.findall(r"\w+", before)
    snapshots = known.named("snapshots")
    columns = (c for name in snapshots if name in named for c in known.columns(name))
    yield from (f"{before}{space}{name}" for name in [*snapshots, *columns])


@_offered
def cells_or_settings(known: Known) -> Iterator[str]:
    """Offer columns of stages; behind one, settings."""
    is_there = any("=" not in word for word in known.words("words"))
    yield from known.settings() if is_there else known.cells()


@_offered
def key_or_column(known: Known) -> Iterator[str]:
    """Offer snapshots; behind one, what is left of its key, and its columns."""
    words = known.words("words")
    if not words:
        yield from known.named("snapshots")
        return
    there = {word.partition("=")[0] for word in words}
    yield from (f"{name}=" for name in known.key(words[0]) if name not in there)
    yield from known.columns(words[0])


@_offered
def frames(known: Known) -> Iterator[str]:
    """Offer what has rows to show: stages, snapshots and the source."""
    yield from known.frames()


@_offered
def frames_or_settings(known: Known) -> Iterator[str]:
    """Offer what has rows to show, and the settings that a command may change."""
    if "." not in known.begun:
        yield from known.frames()
    yield from known.settings()


@_offered
def columns(known: Known) -> Iterator[str]:
    """Offer columns of the stage that was named, in a list with commas."""
    before, comma, _ = known.begun.rpartition(",")
    there = before.split(",")
    # Behind an option without its value, click has parsed no argument.
    named = (word for word in known.ctx.find_root().obj if known.columns(word))
    names = (name for name in known.columns(next(named)) if name not in there)
    yield from (f"{before}{comma}{name}" for name in names)


@_offered
def parameters(known: Known) -> Iterator[str]:
    """Offer the parameters of the query that was named."""
    there = {word.partition("=")[0] for word in known.words("values")}
    for query in known.words("name"):
        text = (known.root / "queries" / f"{query}.sql").read_text("utf-8")
        names = (found[1] for found in _PARAMETER.finditer(text))
        yield from (f"{name}=" for name in names if name not in there)


SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete names: source <(pipeline completion bash).

    Of `just`, too, whose own completion goes on with the recipes. For fish it is
    `pipeline completion fish | source`.
    """
    script = Path(__file__).with_name(f"completion.{shell}").read_text("utf-8")
    group = cast("click.Group", ctx.find_root().command)
    click.echo(script.replace("COMMANDS", " ".join(group.commands)), nl=False)


@click.command(
    hidden=True,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def complete(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print what the last of the words may become, one a line; asked by the shells.

    They are as they were typed, in quotes that may be open.
    """
    from click.shell_completion import ShellComplete, split_arg_string

    with suppress(Exception):
        plain = [" ".join(split_arg_string(word)) for word in words]
        given = {"obj": plain}
        asked = ShellComplete(ctx.find_root().command, given, "pipeline", "")
        for item in asked.get_completions(plain[:-1], plain[-1]):
            if item.type == "plain" and "\n" not in item.value:
                click.echo(f"{item.value}\t{(item.help or '').partition(chr(10))[0]}")
