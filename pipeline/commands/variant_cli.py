"""The commands of variants: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands import completion, options
from pipeline.errors import masked, n_of, some

if TYPE_CHECKING:
    from pipeline.plan.settings import Settings
    from pipeline.snapshots.store import Store
    from pipeline.variants.sweep import Swept


@click.command()
@options.wait
@options.profile
@click.option("--name", metavar="NAME", help="Of a single variant; else of its values.")
@click.argument(
    "words",
    nargs=-1,
    metavar="PATH=VALUE[,VALUE]...",
    shell_complete=completion.settings,
)
def sweep(profile: str | None, name: str | None, words: tuple[str, ...]) -> None:
    """Make a variant of every combination of values, all in one pass.

    sweep lag_columns.periods=1,2,3 rolling_columns.window=2,4. A list is a value in
    brackets: a=[1,2],[1]. What is published stays as it is. The exit code is 1 if one
    failed; the others are made.
    """
    from pipeline.variants.sweep import sweep as sweep_values

    root = options.project_root()
    swept = sweep_values(root, words, profile=profile, name=name, load=load_with_models)
    print_swept(swept)
    if swept.failed:
        raise SystemExit(1)


def print_swept(swept: "Swept") -> None:
    """Say of each variant what it has of its own, and what to try next."""
    from pipeline.snapshots.store import open_store
    from pipeline.snapshots.variants import unlike_published

    store = open_store(options.project_root())
    width = max((len(v.name) for v in swept.made), default=0)
    for variant in swept.made:
        own = [s.name for s in unlike_published(store, variant.run)]
        what = some(own) if own else "as published"
        new = "" if variant.name in swept.new else "  there already, nothing to do"
        click.echo(f"  {variant.name:{width}}  {what}{new}")
    failed: dict[str, list[str]] = {}
    for name, error in swept.failed.items():
        failed.setdefault(masked(str(error)), []).append(name)
    for text, names in failed.items():
        click.secho(f"failed: {', '.join(names)}", fg="red", err=True)
        options.say(text, err=True)
    if swept.dropped:
        n = n_of(len(swept.dropped), "older variant")
        click.echo(f"dropped {n}, as `history.variants` says: {some(swept.dropped)}")
    if swept.made:
        made = n_of(len(swept.made), "variant")
        click.echo(f"{made}, {len(swept.new)} new, in {swept.total_s:.1f} s")
        name = swept.made[-1].name
        last = options.last_snapshot(swept.made[-1].run)
        has_models = (options.project_root() / "configs" / "modeling.yaml").exists()
        evaluate = "  just evaluate --variants\n" if has_models else ""
        options.say(
            "next:\n"
            f"  just diff {last} --variant {name}\n"
            f'  just sql --variant {name} "from {last} limit 5"\n'
            f"{evaluate}"
            f"  just adopt {name}"
        )


def load_with_models(
    root: Path, *, profile: str | None = None, overrides: tuple[str, ...] = ()
) -> "Settings":
    """Load the configuration, with the settings of models if the project has some."""
    if (root / "configs" / "modeling.yaml").exists():
        from pipeline.modeling.settings import load_modeling

        return load_modeling(root, profile=profile, overrides=overrides).pipeline
    from pipeline.plan.settings import load_settings

    return load_settings(root, profile=profile, overrides=overrides)


@click.command()
@options.wait
@options.variant("--drop", multiple=True, help="Forget this one.")
def variants(drop: tuple[str, ...]) -> None:
    """List the variants: what each changes, and what of it is not as published."""
    from pipeline.snapshots.store import open_store
    from pipeline.snapshots.variants import describe_variants, drop_variants

    store = open_store(options.project_root())
    if drop:
        drop_variants(store, drop)
        options.say(f"dropped {some(drop)}; `just gc` removes what only they needed")
        return
    for line in describe_variants(store):
        click.echo(line)


@click.command()
@click.argument("name", shell_complete=completion.variants)
def adopt(name: str) -> None:
    """Make a variant's values those of the configuration, in YAML; shows the diff."""
    from pipeline.snapshots.store import open_store
    from pipeline.variants.adopt import adopt as adopt_variant

    store = open_store(options.project_root())
    changes = adopt_variant(store, name, load_with_models)
    if not changes:
        click.echo(f"'{name}' has the values of the configuration: nothing to do")
        return
    click.echo(changes, nl=False)
    for column, other in _gone_columns(store, name).items():
        note = f"note: the settings of models name {column}, in whose place is {other}"
        click.secho(note, fg="yellow")
    options.say("next:\n  just run                 publish it, from the store")


def _gone_columns(store: "Store", name: str) -> dict[str, str]:
    """Name the columns of models' settings that a variant has no more."""
    from pipeline.snapshots.store import read_runs
    from pipeline.snapshots.variants import find_variant

    runs = read_runs(store)
    if not runs or not (store.root / "configs" / "modeling.yaml").exists():
        return {}
    from pipeline.modeling.settings import load_modeling
    from pipeline.modeling.variants import gone_columns

    now = find_variant(store, name).run
    return gone_columns(load_modeling(store.root), runs[-1], now)
