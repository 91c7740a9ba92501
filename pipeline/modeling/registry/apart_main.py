"""The program that `apart` starts; imports nothing of this project itself.

MLflow puts the code of the bundle on the path before it loads it.
"""

import sys
from pathlib import Path


def main(store: str, uri: str, alone: str, judged: str, *given: str) -> None:
    """Load a bundle, and forecast from Parquet files into others beside them."""
    import logging

    import mlflow
    import polars as pl

    # What the bundle warns of, by the name of its logger, for `apart` to pass on.
    logging.getLogger("pipeline").addHandler(logging.StreamHandler(sys.stdout))

    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    served = mlflow.pyfunc.load_model(uri).unwrap_python_model()
    bundle = served.bundle.as_judged() if judged == "1" else served.bundle
    from pipeline.errors import PipelineError  # the bundle's, by now

    try:
        for path in map(Path, given):
            # The bundle's code may know no `pipeline.files.parquet`.
            rows = pl.read_parquet(path, glob=False)  # noqa: TID251
            made = bundle.forecast(rows, alone=alone == "1")
            made.write_parquet(path.with_suffix(".made"))
    except PipelineError as error:
        sys.stderr.write(str(error))
        raise SystemExit(3) from error


if __name__ == "__main__":
    main(*sys.argv[1:])
