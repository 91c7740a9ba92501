"""Refuse to learn from features that know their own period, and keep what was found.

An audit of some clusters says it, at every period and before anything is trained, or
one of all rows, if `just audit` has made it. What was found is kept by what the
features are made of.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline import sources
from pipeline.errors import ModelError
from pipeline.files.checksum import write_sealed
from pipeline.log import LOG
from pipeline.modeling.audit.audit import audit
from pipeline.modeling.audit.worlds import RENAMED, describe_leaks, describe_span
from pipeline.modeling.data import Features, current_features
from pipeline.modeling.records import FORMAT, AuditRecord, fingerprint, read_record
from pipeline.modeling.settings import ModelingSettings
from pipeline.run.freshness import look
from pipeline.run.run import check
from pipeline.snapshots.store import open_store, read_runs

MODULE = "pipeline/modeling/audit/guard.py"

MOST_ROWS = 300_000
"""Of the source: of a larger one, some clusters are looked at before training."""


def learnable_features(settings: ModelingSettings) -> Features:
    """Bring the snapshots up to date, and refuse features that leak.

    If the run fails, the previous one stays.
    """
    features = current_features(settings)
    runs = read_runs(open_store(settings.root))
    of = _fingerprint(settings, {s.name: s.fingerprint for s in runs[-1].snapshots})
    found = _read(settings, of)
    if found is None:
        LOG.info("looking whether features know their own period")
        found = _audit(settings, of, MOST_ROWS)
    allowed = settings.modeling.leaks
    leaks = [line for column, line in found.leaks.items() if column not in allowed]
    if leaks:
        lines = "\n".join(f"  {line}" for line in leaks)
        raise ModelError(
            f"{settings.modeling.features}: {len(leaks)} of the columns know what"
            f" their period has yet to bring\n{lines}\n"
            "hint: `panel.values` makes features of their past; `panel.known` says what"
            " is known before its period; `modeling.leaks: [COLUMN]` lets one pass all"
            " the same, which is said wherever its models are;"
            f" what differs with '{RENAMED}' knows them by name, as a table in the"
            " code does, which may be of any period"
        )
    return dataclasses.replace(features, on_trust=tuple(_on_trust(settings, found)))


def _on_trust(settings: ModelingSettings, found: AuditRecord) -> Iterator[str]:
    """Say what no audit proves of features that have passed it."""
    for names, why in (
        (found.leaks, "know their own period, and are let pass by `modeling.leaks`"),
        (settings.modeling.known, "taken to be known before their period"),
        (found.of_period, "one value per period, as a table in the code would have"),
    ):
        if names:
            yield f"{', '.join(names)}: {why}"


def audit_all(settings: ModelingSettings) -> AuditRecord:
    """Audit the features on all rows, unless that has been done; publishes nothing."""
    sources.fetch(settings.pipeline.source, settings.root)
    plan = check(settings.pipeline)
    wanted = look(settings.pipeline, plan, None, fetched=True).fingerprints
    of = _fingerprint(settings, wanted.snapshots)
    found = _read(settings, of)
    return found if found and found.part == 1 else _audit(settings, of, None)


def _fingerprint(settings: ModelingSettings, snapshots: Mapping[str, str]) -> str:
    """Hash all that decides what is found in features."""
    modeling = settings.modeling
    names = (modeling.panel, modeling.features, modeling.key, modeling.target)
    made_of = (snapshots[modeling.panel], snapshots[modeling.features])
    how = (modeling.cluster, modeling.known)
    return fingerprint(MODULE, made_of, names, how, kinds=[])


def _path(settings: ModelingSettings, of: str) -> Path:
    """Name the file of what was found."""
    return open_store(settings.root).audits / f"{of[:16]}.json"


def _read(settings: ModelingSettings, of: str) -> AuditRecord | None:
    """Read what was found, if somebody has looked."""
    found = read_record(_path(settings, of), AuditRecord)
    return found if found and found.fingerprint == of else None


def _audit(settings: ModelingSettings, of: str, most_rows: int | None) -> AuditRecord:
    """Look, and keep what was found."""
    found = audit(settings, most_rows=most_rows)
    record = AuditRecord(
        format=FORMAT,
        fingerprint=of,
        part=found.part,
        n_features=len(found.features),
        times=found.times,
        n_values=found.n_values,
        of_period=found.of_period,
        leaks=describe_leaks(found.leaks),
    )
    path = _path(settings, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, record)
    return record


def describe_audit(record: AuditRecord, *, allowed: Sequence[str]) -> Iterator[str]:
    """Write a line per leaking column, then one of the whole."""
    for column, line in record.leaks.items():
        yield f"{line}{' (let pass by `modeling.leaks`)' * (column in allowed)}"
    n_leaks = len(record.leaks)
    verdict = f"{n_leaks} leak{'s' * (n_leaks > 1)}" if n_leaks else "no leak"
    yield (
        f"{verdict}: {record.n_features} features x {len(record.times)} periods"
        f" ({describe_span(record.times)}), {record.n_values:,} values compared"
    )
