"""What MLflow loads: a bundle behind the interface of its Python models."""

from pathlib import Path
from typing import Any, cast

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
import polars as pl
from mlflow.exceptions import MlflowException
from mlflow.models import (
    set_model,  # pyright: ignore[reportUnknownVariableType]: its argument
)
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.errors import PipelineError
from pipeline.modeling.bundle import Bundle, load_bundle


class ServedBundle(PythonModel):
    """A bundle that takes and gives frames of pandas, as MLflow hands them over."""

    bundle: Bundle

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle."""
        self.bundle = load_bundle(
            Path(cast("dict[str, str]", context.artifacts)["bundle"])
        )

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride]: None there
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Forecast the year after the last one; see `Bundle.forecast`.

        Columns are of Arrow's types, whose nulls MLflow's server writes as such; of a
        NaN it would make invalid JSON. What is wrong with the rows is its status 400.
        """
        try:
            made = self.bundle.forecast(pl.from_pandas(model_input))
        except PipelineError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
        return made.to_pandas(use_pyarrow_extension_array=True)


set_model(ServedBundle())
