"""Use a registered bundle in a process of its own, with the code packed in it.

What is imported here is this project as it is now; a bundle holds it as it was. A process
of its own has only the bundle's on its path.
"""

import subprocess
import sys
import tempfile
from os import environ
from pathlib import Path

import polars as pl

from pipeline.errors import ModelError
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking import environment, store_uri

_PROGRAM = Path(__file__).with_name("apart_main.py")
REFUSED = 3
"""The exit code of a bundle that refuses its input."""


def forecast_apart(
    settings: ModelingSettings, uri: str, rows: pl.DataFrame, *, alone: bool
) -> pl.DataFrame:
    """Forecast with a registered bundle; see `pipeline.modeling.bundle.Bundle`.

    Parameters
    ----------
    settings : ModelingSettings
        Whose registry.
    uri : str
        ``models:/<name>/<version>`` or ``models:/<name>@<alias>``.
    rows : pl.DataFrame
        Raw rows.
    alone : bool
        Whether they are a whole panel.

    Raises
    ------
    ModelError
        If the bundle refuses the rows, or cannot be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "rows.parquet"), Path(folder, "made.parquet")
        rows.write_parquet(given)
        words = [store_uri(settings.root), uri, str(given), str(made), str(alone)]
        done = subprocess.run(  # this interpreter, a file of ours
            [sys.executable, "-P", "-W", "ignore", str(_PROGRAM), *words],
            cwd=folder,
            env=environ | environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == REFUSED:
            raise ModelError(done.stderr.strip())
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise ModelError(
                f"{uri}: cannot be loaded and used\nfound: {last[0]}\n"
                "hint: `just train` and `just promote` make a new version"
            )
        return pl.read_parquet(made)
