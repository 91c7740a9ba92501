"""The few columns of MLflow's own tables that are read or mended without MLflow."""

import sqlite3
from pathlib import Path

_PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""Where MLflow keeps absolute paths of artifacts."""

_OURS = "%/.pipeline/mlflow/artifacts"
"""What ends the place of every experiment of ours."""


def move_artifacts(connection: sqlite3.Connection, folder: Path) -> None:
    """Name all artifacts of a store where they are, after it was moved or copied.

    Otherwise MLflow would go on reading and writing where the store was made, which may
    be another project. What lies elsewhere is left.

    Parameters
    ----------
    connection : sqlite3.Connection
        To the store, in a transaction; MLflow may not have made its tables yet.
    folder : Path
        Absolute; holds the artifacts.
    """
    if not _is_made(connection):
        return
    here = str(folder)
    select = "SELECT DISTINCT artifact_location FROM experiments"
    where = "WHERE artifact_location LIKE ? AND artifact_location <> ?"
    for (there,) in connection.execute(f"{select} {where}", (_OURS, here)).fetchall():
        for table, column in _PLACES.items():
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1)"
                f" WHERE substr({column}, 1, length(?)) = ?",
                (here, there, there, there),
            )


def has_run(connection: sqlite3.Connection, run_id: str) -> bool:
    """Say whether a store has a run that is not deleted."""
    select = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    return _is_made(connection) and bool(
        connection.execute(select, (run_id,)).fetchall()
    )


def _is_made(connection: sqlite3.Connection) -> bool:
    """Say whether MLflow has made the tables; a kill may have come before."""
    select = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return {name for (name,) in connection.execute(select)} >= {*_PLACES}
