"""Refuse to learn from features that know their own period, and keep what was found.

An audit of some clusters says it, at every period and before anything is trained, or
one of all rows, if `just audit` has made it. What was found is kept by what the
features are made of.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import msgspec
import polars as pl

from pipeline import sources
from pipeline.errors import ModelError
from pipeline.files.checksum import read_sealed, write_sealed
from pipeline.log import LOG
from pipeline.modeling.audit.audit import UNSEEN, Audit, audit, made_of_others
from pipeline.modeling.audit.worlds import RENAMED, describe_leaks
from pipeline.modeling.data import Features, current_features
from pipeline.modeling.records import fingerprint
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.shared import fetch, push
from pipeline.progress import doing
from pipeline.run.freshness import look
from pipeline.run.run import check
from pipeline.snapshots.exclusive import exclusive
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import open_store, read_runs

MODULE = "pipeline/modeling/audit/guard.py"

MOST_ROWS = 300_000
"""Of the source: of a larger one, some clusters are looked at before training."""

_WAIT_S = 600
"""For another process that looks at the same features."""


_AHEAD = (
    "; several periods ahead, a transformation looks back by `config.back`, as a"
    " `PastConfig` has it"
)


class AuditRecord(msgspec.Struct, frozen=True):
    """An audit, and what was audited."""

    fingerprint: str
    audit: Audit


def learnable_features(settings: ModelingSettings) -> Features:
    """Bring the snapshots up to date, and refuse features that leak.

    If the run fails, the previous one stays.
    """
    features = current_features(settings)
    return without_leaks(settings, features, read_runs(open_store(settings.root))[-1])


def without_leaks(
    settings: ModelingSettings, features: Features, run: RunRecord
) -> Features:
    """Refuse features of a run that leak; give them with what no audit proves."""
    features.require_columns(settings.modeling)
    of = _fingerprint(settings, run.fingerprints)
    found = _read(settings, of) or _audited_once(settings, features, of)
    allowed = settings.modeling.leaks
    leaks = [leak for leak in found.leaks if leak.column not in allowed]
    if leaks:
        described = describe_leaks(leaks).values()
        lines = "\n".join(f"  {line}" for line in described)
        raise ModelError(
            f"{settings.modeling.features}: {len(described)} of the columns know what"
            f" their period has yet to bring\n{lines}\n"
            "hint: `panel.values` makes features of their past; `panel.known` says what"
            " is known before its period; `modeling.leaks: [COLUMN]` lets one pass all"
            f" the same, and is said of its models; '{RENAMED}' finds what is looked up"
            f" by name in the code{_AHEAD * (settings.modeling.horizon > 1)}"
        )
    return dataclasses.replace(features, on_trust=tuple(_on_trust(settings, found)))


def _on_trust(settings: ModelingSettings, found: Audit) -> Iterator[str]:
    """Say what no audit proves of features that have passed it."""
    leaks = describe_leaks(found.leaks)
    others: list[list[str]] = []
    if settings.pipeline.others:  # the plan takes long to compose
        made = made_of_others(check(settings.pipeline), settings.modeling)
        others = [[n for n in names if n in found.features] for names in made.values()]
    of_others = "of other sources, taken to say of a period what is known before it"
    for names, why in (
        (leaks, "know their own period, and are let pass by `modeling.leaks`"),
        (settings.modeling.known, "taken to be known before their period"),
        (found.of_names, "of no data: a calendar, or a table in the code"),
        (dict.fromkeys(chain(*others)), of_others),
        (found.unseen, UNSEEN),
    ):
        if names:
            yield f"{', '.join(names)}: {why}"


def audit_all(settings: ModelingSettings) -> Audit:
    """Audit the features on all rows, unless that has been done; publishes nothing."""
    for source in settings.pipeline.sources.values():
        sources.fetch(source, settings.root)
    plan, store = check(settings.pipeline), open_store(settings.root)
    wanted = look(settings.pipeline, plan, store, read_runs(store), fetched=True)
    of = _fingerprint(settings, wanted.fingerprints.snapshots)
    found = _read(settings, of)
    return found if found and found.part == 1 else _audit(settings, of)


def _fingerprint(settings: ModelingSettings, snapshots: Mapping[str, str]) -> str:
    """Hash all that decides what is found in features."""
    modeling = settings.modeling
    names = (modeling.panel, modeling.features, modeling.key, modeling.target)
    made_of = (snapshots[modeling.panel], snapshots[modeling.features])
    how = (modeling.cluster, modeling.known, modeling.horizon)
    return fingerprint(MODULE, made_of, names, how, kinds=[])


def _path(settings: ModelingSettings, of: str) -> Path:
    """Name the file of what was found."""
    return open_store(settings.root).audits / f"{of[:16]}.json"


def _read(settings: ModelingSettings, of: str) -> Audit | None:
    """Read what was found, if somebody has looked."""

    def found(path: Path) -> AuditRecord | None:
        there = read_sealed(path, AuditRecord)
        return there if there and there.fingerprint == of else None

    path = _path(settings, of)
    if found(path) is None:
        fetch(settings, f"audits/{of}", path, lambda path: found(path) is not None)
    there = found(path)
    return there.audit if there else None


def _audited_once(settings: ModelingSettings, features: Features, of: str) -> Audit:
    """Look at some clusters, unless another process that trains does so already."""
    path = _path(settings, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    fault = f"{path.parent}: another process audits the features"
    with exclusive(path.with_suffix(".lock"), fault, _WAIT_S):
        if found := _read(settings, of):
            return found
        LOG.info("looking whether features know their own period")
        source = features.source(settings.pipeline)
        return _audit(settings, of, source, MOST_ROWS)


@doing("auditing the features")
def _audit(
    settings: ModelingSettings,
    of: str,
    source: pl.DataFrame | None = None,
    most_rows: int | None = None,
) -> Audit:
    """Look, and keep what was found."""
    found = audit(settings, source, most_rows=most_rows)
    path = _path(settings, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, AuditRecord(of, found))
    push(settings, f"audits/{of}", path)
    return found
