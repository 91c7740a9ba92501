"""The program that `apart` starts; imports nothing of this project itself.

The code of the bundle comes first on the path, as MLflow has it. MLflow itself is not
needed, and takes longer to import than all else.
"""

import sys
from typing import Any


def main(code: str, bundle: str, how: str, made: str, others: str, *given: str) -> None:
    """Load a bundle with its code, and predict from Parquet files into another one.

    `how` is ``backtest``, given the rows and the periods, or a forecast of rows that
    are a panel ``alone``, or else to be ``completed``; or ``files``, given how much
    memory there is, and a folder, of which a panel may be ``files-alone``. `others` is
    a folder with the rows of other sources, if it takes any.
    """
    import logging
    from functools import partial
    from pathlib import Path

    import_lightgbm_alone()
    import polars as pl

    # What the bundle warns of, by the name of its logger, for `apart` to pass on.
    logging.getLogger("pipeline").addHandler(logging.StreamHandler(sys.stdout))

    sys.path.insert(0, code)
    from pipeline.errors import PipelineError
    from pipeline.modeling.bundle.bundle import load_bundle

    loaded: Any = load_bundle(Path(bundle), Path(code))
    # The bundle's code may know no `pipeline.files.parquet`.
    read = partial(pl.read_parquet, glob=False)  # noqa: TID251
    beside = {path.stem: read(path) for path in Path(others).iterdir()}
    try:
        if beside:
            loaded = loaded.beside(beside)
        if how.startswith("files"):
            answer_files(loaded, made, *given, alone=how == "files-alone")
            return
        rows, *more = map(read, given)
        if how == "backtest":
            predicted = loaded.backtest(rows, more[0].to_series().to_list())
        else:
            predicted = loaded.forecast(rows, alone=how == "alone")
        predicted.write_parquet(made)
    except PipelineError as error:
        sys.stderr.write(str(error))
        raise SystemExit(3) from error


def import_lightgbm_alone() -> None:
    """Import it without what it takes if it is there: a second, and no use here."""
    absent = [name for name in ("pandas", "sklearn") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    import lightgbm  # pyright: ignore[reportUnusedImport] # noqa: F401

    for name in absent:
        del sys.modules[name]


def answer_files(
    bundle: Any, made: str, engine: str, given: str, *, alone: bool
) -> None:
    """Predict of all files in a folder, and print what is warned of."""
    from pathlib import Path

    import msgspec

    from pipeline.errors import ModelError
    from pipeline.plan.settings import EngineSettings

    try:
        from pipeline.modeling.bundle import parts
    except ImportError:
        raise ModelError(
            "bundle: was registered by a version that knows no folders\n"
            "hint: give one file, or train and promote anew"
        ) from None
    settings = msgspec.json.decode(engine, type=EngineSettings)
    files = sorted(Path(given).iterdir())
    for line in parts.answer_files(bundle, files, Path(made), settings, alone=alone):
        print(line)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
