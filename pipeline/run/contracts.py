"""Hold the snapshots of a run to what they promise."""

import hashlib
import shutil
from collections.abc import Mapping
from logging import DEBUG, WARNING
from pathlib import Path

import msgspec
import polars as pl

from pipeline.contracts.checks import Check, Outcome, compile_contract, sample_failures
from pipeline.contracts.contract import Contract
from pipeline.contracts.report import describe_failures, describe_outcome
from pipeline.errors import ContractError
from pipeline.files.parquet import scan_parquet
from pipeline.log import LOG, fields
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings
from pipeline.snapshots.records import QUARANTINE

_N_SHOWN = 5
_N_KEPT = 1000


def compile_checks(
    settings: Settings, plan: Plan, snapshot: str, previous_n_rows: int | None = None
) -> list[Check]:
    """Turn the contract of a snapshot into expressions.

    Parameters
    ----------
    settings : Settings
        Holds the contracts; without one, a snapshot must be unique by its key.

    Raises
    ------
    SchemaError
        If the contract does not fit the snapshot.
    """
    node = plan.snapshots[snapshot]
    return compile_contract(
        settings.contracts.get(snapshot, Contract()),
        node.schema,
        node.stage.key,
        previous_n_rows,
        at=f"checks.{snapshot}",
    )


def contract_hash(settings: Settings, plan: Plan, snapshot: str) -> str:
    """Hash what a snapshot is held to: the checks as expressions, code included."""
    if snapshot == QUARANTINE:
        return ""
    contract = settings.contracts.get(snapshot, Contract())
    digest = hashlib.sha256(msgspec.json.encode(contract))
    for check in compile_checks(settings, plan, snapshot):
        digest.update(f"{check.name} {check.severity}".encode())
        digest.update(check.failures.meta.serialize())
    return digest.hexdigest()


def hold(
    settings: Settings,
    plan: Plan,
    outcomes: Mapping[str, list[Outcome]],
    files: Mapping[str, Path],
    folder: Path,
) -> None:
    """Warn of checks that failed, or refuse the run and keep the rows to look at.

    Raises
    ------
    ContractError
        If a check failed that does not only warn.
    """
    shutil.rmtree(folder, ignore_errors=True)
    messages: list[str] = []
    for name, found in outcomes.items():
        broken = [outcome for outcome in found if not outcome.passed]
        if not broken:
            continue
        lf = scan_parquet(files[name])
        n_rows = lf.select(pl.len()).collect().item()
        for outcome in broken:
            level = WARNING if outcome.severity == "warn" else DEBUG
            text = f"{name}: {describe_outcome(outcome, n_rows)}"
            of = fields(
                snapshot=name,
                check=outcome.name,
                severity=outcome.severity,
                n_failures=outcome.n_failures,
            )
            LOG.log(level, text, extra=of)
        failed = [outcome for outcome in broken if outcome.severity == "error"]
        if failed:
            samples = _keep_samples(settings, plan, name, failed, lf, folder)
            stage = plan.snapshots[name].stage.name
            messages.append(describe_failures(name, stage, failed, samples, n_rows))
    has_kept = folder.exists() and any(folder.iterdir())
    if messages:
        raise ContractError(
            "\n".join(messages)
            + (f"\nkept: rows that break a check, in {folder}" * has_kept)
            + "\nnothing was published: what there was is as it was"
        )


def _keep_samples(
    settings: Settings,
    plan: Plan,
    snapshot: str,
    failed: list[Outcome],
    lf: pl.LazyFrame,
    folder: Path,
) -> dict[str, pl.DataFrame]:
    """Write rows that break checks to the folder for them; return some of each."""
    folder.mkdir(parents=True, exist_ok=True)
    key = plan.snapshots[snapshot].stage.key
    checks = {c.name: c for c in compile_checks(settings, plan, snapshot)}
    samples: dict[str, pl.DataFrame] = {}
    for outcome in failed:
        check = checks.get(outcome.name)
        if check is not None and check.violates is not None:
            rows = sample_failures(lf, check, key, _N_KEPT).collect()
            rows.write_parquet(folder / f"{snapshot}.{outcome.name}.parquet")
            samples[outcome.name] = rows.head(_N_SHOWN)
    return samples
