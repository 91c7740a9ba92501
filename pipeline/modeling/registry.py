"""Versions of the model in MLflow's registry: who is challenger, who is champion."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipeline.code import PACKAGE
from pipeline.errors import ModelError
from pipeline.modeling.pack import pack
from pipeline.modeling.records import (
    FORMAT,
    VersionRecord,
    read_record,
    write_record,
)
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking import Tracking, tracking
from pipeline.modeling.train import Training

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from pipeline.modeling.bundle import Bundle

CHAMPION, CHALLENGER = "champion", "challenger"

_REPLACED = "replaced"
"""Tag of a champion's version: the version that was champion before it."""

_FINGERPRINT = "fingerprint"

REQUIREMENTS = (
    *("mlflow", "polars", "pandas", "pyarrow", "numpy", "lightgbm", "msgspec"),
    *("omegaconf", "optuna", "pooch", "tqdm", "scikit-learn", "cloudpickle"),
)
"""What a bundle needs to be loaded and used."""

_N_EXAMPLE = 5


@dataclass(frozen=True)
class Version:
    """A registered version of the model.

    Attributes
    ----------
    name : str
        Of the registered model.
    number : int
        Counted from 1.
    fingerprint : str
        Of the trained model.
    replaced : int or None
        The champion that it took the place of.
    """

    name: str
    number: int
    fingerprint: str
    replaced: int | None

    @property
    def uri(self) -> str:
        """Where MLflow loads it from."""
        return f"models:/{self.name}/{self.number}"


def register(settings: ModelingSettings, training: Training) -> Version:
    """Register a trained model as challenger, unless it has a version.

    Raises
    ------
    PipelineError
        If it cannot be packed, or MLflow's store cannot be used.
    """
    name = settings.modeling.name
    record = read_record(training.folder / "version.json", VersionRecord)
    with tracking(settings) as store:
        number = record and record.version
        if number is None or _version(store, name, number) is None:
            with tempfile.TemporaryDirectory() as folder:
                bundle = pack(settings, training, Path(folder))
                number = _log(store, settings, training, bundle)
            write_record(
                training.folder / "version.json",
                VersionRecord(
                    format=FORMAT,
                    name=name,
                    version=number,
                    created_at=datetime.now(UTC),
                ),
            )
        store.client.set_registered_model_alias(name, CHALLENGER, str(number))
        found = _version(store, name, number)
    assert found is not None
    return found


def champion(settings: ModelingSettings) -> Version | None:
    """Return the champion, if there is one.

    Raises
    ------
    ModelError
        If MLflow's store cannot be used.
    """
    name = settings.modeling.name
    with tracking(settings) as store:
        models = store.client.search_registered_models(f"name = '{name}'")
        number = next((m.aliases.get(CHAMPION) for m in models), None)
        return number and _version(store, name, int(number))


def crown(settings: ModelingSettings, version: Version) -> None:
    """Make a version champion, and note whom it replaces."""
    before = champion(settings)
    with tracking(settings) as store:
        client, number = store.client, str(version.number)
        replaced = str(before.number) if before else ""
        client.set_model_version_tag(version.name, number, _REPLACED, replaced)
        client.set_registered_model_alias(version.name, CHAMPION, number)


def roll_back(settings: ModelingSettings) -> tuple[Version, Version]:
    """Make the champion's predecessor champion again.

    Returns
    -------
    tuple of Version
        Who was champion, and who is now.

    Raises
    ------
    ModelError
        If there is no champion, or none before it.
    """
    now = champion(settings)
    if now is None:
        raise ModelError(
            f"{settings.modeling.name}: no champion to roll back\n"
            "hint: `just promote` makes one"
        )
    with tracking(settings) as store:
        before = now.replaced and _version(store, now.name, now.replaced)
        if not before:
            raise ModelError(
                f"{now.name}: version {now.number} is the first champion, so there is"
                " none to go back to"
            )
        store.client.set_registered_model_alias(now.name, CHAMPION, str(before.number))
    return now, before


def inputs_of(settings: ModelingSettings, version: Version) -> list[str]:
    """Name the raw columns that a version takes."""
    import mlflow

    with tracking(settings):
        signature = mlflow.models.get_model_info(version.uri).signature
    assert signature is not None
    return signature.inputs.input_names()


def _version(store: Tracking, name: str, number: int) -> Version | None:
    """Read a version; None if there is none of that number."""
    for found in store.client.search_model_versions(f"name = '{name}'"):
        if int(found.version) == number:
            replaced = found.tags.get(_REPLACED)
            fingerprint = found.tags.get(_FINGERPRINT, "")
            return Version(
                name, number, fingerprint, int(replaced) if replaced else None
            )
    return None


def _log(
    store: Tracking, settings: ModelingSettings, training: Training, bundle: "Bundle"
) -> int:
    """Log a bundle to the run of its training, register it, and return its version."""
    import mlflow

    example = pl.read_parquet(bundle.folder / "context.parquet").tail(_N_EXAMPLE)
    name = settings.modeling.name
    with mlflow.start_run(run_id=training.record.mlflow_run):
        info = mlflow.pyfunc.log_model(
            name="bundle",
            python_model=str(PACKAGE / "modeling" / "served.py"),
            artifacts={"bundle": str(bundle.folder)},
            code_paths=[str(PACKAGE)],
            pip_requirements=[f"{lib}=={version_of(lib)}" for lib in REQUIREMENTS],
            signature=_signature(example, bundle.forecast(example)),
            input_example=example.to_pandas(),
            metadata={_FINGERPRINT: training.record.fingerprint},
        )
    client = store.client
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    registered = client.create_model_version(
        name,
        info.model_uri,
        run_id=training.record.mlflow_run,
        model_id=info.model_id,
        tags={_FINGERPRINT: training.record.fingerprint},
    )
    return int(registered.version)


def _signature(given: pl.DataFrame, made: pl.DataFrame) -> "ModelSignature":
    """Describe the columns that go in and come out.

    Whole numbers go in as 64 bits, as which everyone has them: MLflow takes no wider
    ones than it expects.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    def schema(df: pl.DataFrame) -> Schema:
        return Schema(
            [
                ColSpec(
                    DataType.string
                    if dtype == pl.String
                    else DataType.long
                    if dtype.is_integer()
                    else DataType.double,
                    name,
                )
                for name, dtype in df.schema.items()
            ]
        )

    return ModelSignature(schema(given), schema(made))
