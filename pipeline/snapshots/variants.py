"""Variants: what a changed configuration would publish, beside what is published.

Each is a record below ``.pipeline/variants/`` that names objects of the store, as that
of a run does. No run and no reader of the catalog sees it.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pipeline.errors import SnapshotError, nearest, some
from pipeline.files.checksum import read_sealed, write_sealed
from pipeline.log import LOG
from pipeline.snapshots.records import FORMAT, RunRecord, SnapshotRecord
from pipeline.snapshots.store import Store, read_object, read_runs, writing


class Variant(msgspec.Struct, frozen=True):
    """What came of a configuration that only some words of a command had changed."""

    name: str
    words: list[str]
    """The overrides."""
    yaml: dict[str, str]
    """Hash of the values of each file that they were laid over."""
    run: RunRecord
    """The run that would have published it."""


def write_variant(store: Store, variant: Variant) -> None:
    """Keep a variant, in the place of one of its name; the caller holds the lock."""
    store.variants.mkdir(exist_ok=True)
    write_sealed(_path(store, variant.name), variant)


def read_variants(store: Store) -> list[Variant]:
    """Read the variants that are kept, the oldest first."""
    found: list[Variant] = []
    for path in sorted(store.variants.glob("*.json")):
        variant = read_sealed(path, Variant)
        if variant is not None and variant.run.format == FORMAT:
            found.append(variant)
        else:
            LOG.warning(
                "%s: is damaged, or of another version of pipeline, and left out;"
                " `just variants --drop %s` removes it",
                path,
                path.stem,
            )
    return sorted(found, key=lambda variant: variant.run.run_id)


def find_variant(store: Store, name: str) -> Variant:
    """Find a variant by its name.

    Raises
    ------
    SnapshotError
        If there is none.
    """
    found = {variant.name: variant for variant in read_variants(store)}
    if name not in found:
        raise _unknown(name, list(found))
    return found[name]


def drop_variants(store: Store, names: Sequence[str]) -> None:
    """Forget variants; their objects go as those of old runs do.

    Raises
    ------
    SnapshotError
        If there is none of a name; all stay then.
    """
    with writing(store):
        known = sorted(path.stem for path in store.variants.glob("*.json"))
        for name in names:
            if name not in known:
                raise _unknown(name, known)
        for name in names:
            _path(store, name).unlink()


def unlike_published(store: Store, run: RunRecord) -> list[SnapshotRecord]:
    """Give the snapshots of a run whose rows are others than those published."""
    published = [s for newest in read_runs(store)[-1:] for s in newest.snapshots]
    objects = {s.object for s in published}
    contents = {(s.name, _content(store, s)) for s in published}
    return [
        s
        for s in run.snapshots
        if s.object not in objects and (s.name, _content(store, s)) not in contents
    ]


def _content(store: Store, snapshot: SnapshotRecord) -> str:
    """Hash what is in a snapshot; of one that is gone, what it was made of."""
    found = read_object(store, *snapshot.object)
    return found.content_hash if found else snapshot.fingerprint


def describe_variants(store: Store) -> list[str]:
    """Write what each variant changes, and what came of it; the newest first."""
    lines: list[str] = []
    for variant in reversed(read_variants(store)):
        run = variant.run
        profile = f"--profile {run.profile} " if run.profile else ""
        others = [
            s.name + (" (not in the store)" * (read_object(store, *s.object) is None))
            for s in unlike_published(store, run)
        ]
        lines += [
            f"{variant.name}  made {run.started_at:%d %b %H:%M}",
            f"    {profile}{' '.join(variant.words) or 'no changed value'}",
            f"    other than published: {some(others) or 'nothing'}",
        ]
    return lines


def _path(store: Store, name: str) -> Path:
    """Name the record of a variant."""
    return store.variants / f"{name}.json"


def _unknown(name: str, known: Sequence[str]) -> SnapshotError:
    """Say that there is no variant of a name."""
    return SnapshotError(
        f"no variant '{name}'{nearest(name, known)}\n"
        f"found: {some(known) or 'none'}\n"
        "hint: `just variants` lists them; `just run --variant NAME PATH=VALUE` and"
        " `just sweep PATH=VALUE,VALUE` make some"
    )
