"""What MLflow loads: a bundle behind the interface of its Python models.

MLflow puts the packed code on the path, but a package that a process has imported stays
as it is. So nothing is imported from it before it is seen to be the packed one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
import polars as pl
from mlflow.exceptions import MlflowException
from mlflow.models import (
    set_model,  # pyright: ignore[reportUnknownVariableType]: its argument
)
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

import pipeline

if TYPE_CHECKING:
    from pipeline.modeling.bundle.bundle import Bundle

_CODE = "code/pipeline"
"""Where MLflow puts the package, beside this file."""


class ServedBundle(PythonModel):
    """A bundle that takes and gives frames of pandas, as MLflow hands them over."""

    bundle: "Bundle"

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle."""
        here = Path(__file__).parent
        _check_code(here / _CODE)
        _check_files(here)
        from pipeline.modeling.bundle.bundle import load_bundle

        self.bundle = load_bundle(
            Path(cast("dict[str, str]", context.artifacts)["bundle"]),
            (here / _CODE).parent,
        )

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride]: None there
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Forecast the period after the last one; see `Bundle.forecast`.

        Columns are of Arrow's types, whose nulls MLflow's server writes as such; of a
        NaN it would make invalid JSON. Column ``warning`` says what looks incomplete,
        the same in every row, else it is null. What is wrong with the rows is the
        server's status 400.
        """
        from pipeline.errors import PipelineError

        # Numbers beside texts, as JSON may have them in a column, are read as texts.
        frame = cast("Any", model_input)
        mixed = [name for name, dtype in frame.dtypes.items() if dtype.kind == "O"]
        texts = frame.astype(dict.fromkeys(mixed, "string"))
        rows = cast("pl.DataFrame", pl.from_pandas(texts))
        if self.bundle.prepared is None:
            self.bundle = self.bundle.prepare()
        try:
            made, warnings = self.bundle.answer(rows)
        except PipelineError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
        warning = pl.lit("\n".join(warnings) or None, pl.String)
        made = made.with_columns(warning=warning)
        return made.to_pandas(use_pyarrow_extension_array=True)


def _check_code(packed: Path) -> None:
    """Refuse other code than the packed, of which there is none while it is packed."""
    loaded = Path(pipeline.__path__[0])
    if packed.is_dir() and _modules(loaded) != _modules(packed):
        from pipeline.errors import ModelError

        raise ModelError(
            f"{packed.parents[1]}: cannot be used with the code of another version\n"
            f"found: {loaded}, imported by this process\n"
            f"expected: {packed}\n"
            "hint: load each version of the model in a process of its own"
        )


def _check_files(folder: Path) -> None:
    """Refuse files that are not as listed; no list is there while it is packed."""
    from pipeline.files.manifest import manifest_changes

    faults = manifest_changes(folder) if (folder / _CODE).is_dir() else []
    if faults:
        from pipeline.errors import ModelError, some

        raise ModelError(
            f"{folder}: is not what was registered: {some(faults)}\n"
            "hint: nothing of it was used; put its files back, or register it anew"
        )


def _modules(package: Path) -> dict[str, bytes]:
    """Read the modules of a package."""
    return {
        path.relative_to(package).as_posix(): path.read_bytes()
        for path in package.rglob("*.py")
    }


set_model(ServedBundle())
