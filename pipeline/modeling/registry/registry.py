"""Versions of the model in MLflow's registry: who is challenger, who is champion."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import polars as pl

from pipeline.errors import ModelError, some
from pipeline.files.manifest import (
    forget_compiled,
    manifest_changes,
    write_manifest,
)
from pipeline.files.parquet import read_parquet
from pipeline.modeling.fit.intervals import TotalCalibrations
from pipeline.modeling.models import libraries_of
from pipeline.modeling.records import TrainingRecord
from pipeline.modeling.registry.pack import pack
from pipeline.modeling.settings import (
    ModelConfig,
    Modeling,
    ModelingSettings,
    Question,
)
from pipeline.modeling.tracking.tracking import (
    Tracking,
    artifacts_of,
    is_made,
    lasted,
    registered,
    tracking,
)
from pipeline.modeling.training import Training
from pipeline.plan.code import PACKAGE
from pipeline.progress import doing
from pipeline.transforms import OWN

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from pipeline.modeling.bundle.bundle import Bundle

_Told = TypeVar("_Told")

CHAMPION, CHALLENGER = "champion", "challenger"

_REPLACED = "replaced"
"""Tag of a champion's version: the version that was champion before it."""

_QUESTION = "question"
"""Tag of a version: what it answers, as JSON."""

_DECISION = "decision"
"""Tag of a version: what was decided of it, as JSON."""

_FINGERPRINT = "fingerprint"
_MANIFEST = "manifest"

REQUIREMENTS = (
    *("mlflow", "polars", "pandas", "pyarrow", "numpy", "msgspec"),
    *("omegaconf", "optuna", "cloudpickle"),
)
"""What a bundle needs to be loaded and used, besides what its kind of model does."""


class Decision(msgspec.Struct, frozen=True):
    """Whether a version became champion when it was last looked at, and why not."""

    decided_at: datetime
    against: int | None
    """The champion of then."""
    reasons: list[str]
    """What spoke against it; empty if it became champion."""
    terms: dict[str, Any] = {}
    """What it was held to."""
    notes: list[str] = []
    """What to know before it is trusted: what was let pass, or eased."""


@dataclass(frozen=True)
class Version:
    """A registered version of the model."""

    name: str
    number: int
    """Counted from 1."""
    fingerprint: str
    """Of the trained model."""
    replaced: int
    """The champion that it took the place of; 0 if there was none."""
    folder: Path
    manifest: str
    """Hash of the list of the hashes of the folder's files."""
    question: Question | None
    """None of a version that an older release has registered."""
    decision: Decision | None
    """None of a version that was registered and not yet decided on."""

    @property
    def uri(self) -> str:
        """What MLflow calls it, and names in what it says."""
        return f"models:/{self.name}/{self.number}"

    def hold(self) -> None:
        """Refuse files that are not those that were registered, before any is used."""
        forget_compiled(self.folder)
        found = manifest_changes(self.folder, self.manifest)
        if found:
            raise ModelError(
                f"{self.uri}: is not what was registered: {some(found)}\n"
                f"found in {self.folder}\n"
                "hint: nothing of it was used; `just promote --rollback` goes back to"
                " the version before; or put the files back, or delete .pipeline/mlflow"
                " and promote again: the models are kept beside it"
            )


@doing("registering")
def register(
    settings: ModelingSettings, training: Training, totals: TotalCalibrations
) -> Version:
    """Register a trained model as challenger, unless it has a version; see `pack`.

    Raises
    ------
    ModelError
        If the versions of the name answer another question.
    """
    for version in require_same_question(settings):
        if version.fingerprint == training.record.fingerprint:
            return version
    with tempfile.TemporaryDirectory() as folder:
        with doing("packing the bundle"):
            bundle = pack(settings, training, totals, Path(folder, "bundle"))
        return _log(settings, training.record, bundle)


def require_same_question(settings: ModelingSettings) -> list[Version]:
    """Return the versions of the model's name, or raise what `register` would."""
    found = versions(settings.root, settings.modeling.name)
    for version in found:
        _require_same_question(version, settings.modeling)
    return found


def champion(settings: ModelingSettings) -> Version | None:
    """Return the champion, if there is one.

    Raises
    ------
    ModelError
        If it answers another question than the settings ask, or no promotion made it
        champion.
    """
    root, name = settings.root, settings.modeling.name
    for version in versions(root, name):
        if version.number == aliases(root, name).get(CHAMPION):
            _require_same_question(version, settings.modeling)
            _require_promoted(version)
            return version
    return None


def _require_promoted(version: Version) -> None:
    """Refuse a version whose alias was given to it by hand."""
    decision = version.decision
    if decision is None or decision.reasons:
        found = "; ".join(decision.reasons) if decision else "was never decided on"
        raise ModelError(
            f"{version.uri}: is champion, but no promotion made it so\n"
            f"found: {found}\n"
            f"hint: in `just ui`, take the alias '{CHAMPION}' away from it, or give it"
            " to a version that `from meta.promotions` says is champion"
        )


def _require_same_question(version: Version, modeling: Modeling) -> None:
    """Refuse a version that was made for something else."""
    found = ["an older release's, which does not say what it answers"]
    if version.question is not None:
        found = version.question.differences(modeling.question)
    if found:
        raise ModelError(
            f"{version.uri}: answers another question\n{'; '.join(found)}\n"
            "hint: each question has models of its own name: give this one another,"
            " modeling.name=NAME, here or in configs/modeling.yaml; by default it is"
            " that of the target"
        )


def decide(settings: ModelingSettings, version: Version, decision: Decision) -> None:
    """Make a version champion, or challenger for reasons; the decision is kept."""
    with tracking(settings) as store:
        client, name, number = store.client, version.name, str(version.number)
        _keep(store, version, decision)
        if decision.reasons:
            client.set_registered_model_alias(name, CHALLENGER, number)
            return
        replaced = str(decision.against or "")
        client.set_model_version_tag(name, number, _REPLACED, replaced)
        client.set_registered_model_alias(name, CHAMPION, number)
        if aliases(settings.root, name).get(CHALLENGER) == version.number:
            client.delete_registered_model_alias(name, CHALLENGER)


def _keep(store: Tracking, version: Version, decision: Decision) -> None:
    """Write a decision to its version."""
    text = msgspec.json.encode(decision).decode()
    number = str(version.number)
    store.client.set_model_version_tag(version.name, number, _DECISION, text)


def roll_back(settings: ModelingSettings) -> tuple[Version, Version]:
    """Make the champion's predecessor champion; return who was, and who is now."""
    now = champion(settings)
    if now is None:
        raise ModelError(
            f"{settings.modeling.name}: no champion to roll back\n"
            "hint: `just promote` makes one"
        )
    found = {version.number: version for version in versions(settings.root, now.name)}
    before = found.get(now.replaced)
    if before is None:
        raise ModelError(
            f"{now.name}: version {now.number} is the first champion, expected one"
            " before it to go back to\n"
            "hint: `just promote` puts a better model in its place"
        )
    with tracking(settings) as store:
        # It may have been promoted again since then, and refused.
        decision = before.decision or Decision(datetime.now(UTC), None, [])
        at = {"decided_at": datetime.now(UTC), "against": now.number}
        again = msgspec.structs.replace(decision, **at, reasons=[])
        _keep(store, before, again)
        store.client.set_registered_model_alias(now.name, CHAMPION, str(before.number))
    return now, before


class Packed(msgspec.Struct, frozen=True):
    """What of a version's `BundleRecord` is asked from outside; of no kinds."""

    columns: dict[str, object]
    """The raw columns that it takes."""
    fitted_through: int | str
    totals: TotalCalibrations
    others: dict[str, object] = {}
    """Other sources that it takes."""
    model: str = ""
    tree: dict[str, Any] = {}
    """The configuration that it was made with."""


def packed(version: Version) -> Packed:
    """Read what a version takes, and knows of itself."""
    version.hold()
    text = (bundle_of(version) / "bundle.json").read_bytes()
    return msgspec.json.decode(text, type=Packed)


def bundle_of(version: Version) -> Path:
    """Name the folder of what `pack` has written."""
    return version.folder / "artifacts" / "bundle"


def versions(root: Path, name: str) -> list[Version]:
    """List the versions of a registered model, in no order; none without a store."""
    found = registered(root, name)[1] if is_made(root) else []
    return [
        _version(name, number, tags, artifacts_of(root, model_id))
        for number, model_id, tags in found
    ]


def _version(name: str, number: int, tags: Mapping[str, str], folder: Path) -> Version:
    """Read what is registered of a version, of which tags say most."""
    return Version(
        name,
        number,
        tags.get(_FINGERPRINT, ""),
        int(tags.get(_REPLACED) or 0),
        folder,
        tags.get(_MANIFEST, ""),
        _told(tags.get(_QUESTION), Question),
        _told(tags.get(_DECISION), Decision),
    )


def _told(tag: str | None, type_: type[_Told]) -> _Told | None:
    """Read a tag, if it is there."""
    return msgspec.json.decode(tag, type=type_) if tag else None


def aliases(root: Path, name: str) -> dict[str, int]:
    """Return the number of the version that each alias names."""
    return registered(root, name)[0] if is_made(root) else {}


def _code_paths(root: Path) -> list[str]:
    """Name the package, and the folder of the project's own transformations if any."""
    return [str(folder) for folder in (PACKAGE, root / OWN) if folder.is_dir()]


def _log(
    settings: ModelingSettings, record: TrainingRecord, bundle: "Bundle"
) -> Version:
    """Log a bundle to the run of its training, and register it."""
    from mlflow import end_run, start_run
    from mlflow.pyfunc import (
        log_model,  # pyright: ignore[reportUnknownVariableType]: its arguments
    )

    name, run_id = settings.modeling.name, record.mlflow_run
    question = settings.modeling.question
    tags = {
        _FINGERPRINT: record.fingerprint,
        _QUESTION: msgspec.json.encode(question).decode(),
        "target": question.target,
    }
    example = read_parquet(bundle.folder / "example.parquet")
    kinds = msgspec.convert(record.config, ModelConfig).kinds
    libraries = dict.fromkeys(lib for kind in kinds for lib in libraries_of(kind))
    # What it warns of is of the example, not of rows of the user's.
    with doing("trying the bundle"):
        answer, _ = bundle.answer(example)
    with tracking(settings) as store:
        start_run(run_id=run_id)
        try:
            with doing("trying what MLflow keeps"):
                info = log_model(
                    name="bundle",
                    python_model=str(PACKAGE / "modeling" / "bundle" / "served.py"),
                    artifacts={"bundle": str(bundle.folder)},
                    code_paths=_code_paths(settings.root),
                    pip_requirements=[
                        f"{lib}=={version_of(lib)}"
                        for lib in (*REQUIREMENTS, *libraries)
                    ],
                    signature=_signature(example, answer),
                    input_example=example.to_pandas(),
                    metadata=tags,
                )
        finally:
            end_run()  # which says that the run has ended now
            store.client.set_terminated(run_id, end_time=lasted(record)[1])
        if not store.client.search_registered_models(f"name = '{name}'"):
            store.client.create_registered_model(name)
        model_id = str(info.model_id)
        folder = artifacts_of(settings.root, model_id)
        forget_compiled(folder)
        tags[_MANIFEST] = write_manifest(folder)
        made = store.client.create_model_version(
            name, info.model_uri, run_id=run_id, model_id=model_id, tags=tags
        )
        found = versions(settings.root, name)
        return next(v for v in found if v.number == int(made.version))


def _signature(given: pl.DataFrame, made: pl.DataFrame) -> "ModelSignature":
    """Describe the columns that go in and come out.

    What goes in is of any type: MLflow would make 2017 of a year 2017.5, and refuse
    whole amounts; the bundle says of each cell what is wrong.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    def column(name: str, dtype: pl.DataType) -> ColSpec:
        if dtype == pl.String:
            return ColSpec(DataType.string, name, required=False)
        return ColSpec(DataType.long if dtype.is_integer() else DataType.double, name)

    taken = Schema([ColSpec(AnyType(), name) for name in given.columns])
    warned = made.with_columns(warning=pl.lit(None, pl.String))
    return ModelSignature(taken, Schema([column(*c) for c in warned.schema.items()]))
