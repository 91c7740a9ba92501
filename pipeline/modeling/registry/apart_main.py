"""The program that `apart` starts; imports nothing of this project itself.

MLflow puts the code of the bundle on the path before it loads it.
"""

import sys


def main(store: str, uri: str, how: str, made: str, *given: str) -> None:
    """Load a bundle, and predict from Parquet files into another one.

    `how` is ``backtest``, given the rows and the periods, or a forecast of rows that
    are a panel ``alone``, or else to be ``completed``.
    """
    import logging

    import mlflow
    import polars as pl

    # What the bundle warns of, by the name of its logger, for `apart` to pass on.
    logging.getLogger("pipeline").addHandler(logging.StreamHandler(sys.stdout))

    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    served = mlflow.pyfunc.load_model(uri).unwrap_python_model()
    from pipeline.errors import PipelineError  # the bundle's, by now

    # The bundle's code may know no `pipeline.files.parquet`.
    rows, *more = (pl.read_parquet(path, glob=False) for path in given)  # noqa: TID251
    try:
        if how == "backtest":
            predicted = served.bundle.backtest(rows, more[0].to_series().to_list())
        else:
            predicted = served.bundle.forecast(rows, alone=how == "alone")
        predicted.write_parquet(made)
    except PipelineError as error:
        sys.stderr.write(str(error))
        raise SystemExit(3) from error


if __name__ == "__main__":
    main(*sys.argv[1:])
