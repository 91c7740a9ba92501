"""The files of a model as they were made: known by their hashes, before they are used.

Imports nothing but Python's own, so that a registered bundle can look at itself before
its code is imported.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

NAME = "manifest.json"
"""Of the file that lists the others of a registered bundle."""

_COMPILED = "__pycache__"
# What lists the others, and what MLflow notes of the version it has loaded.
_LEFT_OUT = {NAME, "evaluation.json", "registered_model_meta"}


def hashes(folder: Path) -> dict[str, str]:
    """Hash the files of a folder, and of the folders in it: SHA-256 by relative path.

    What Python has compiled in it, lists of hashes and MLflow's note are left out.
    """
    files = (path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(named.items())
        if _COMPILED not in name.split("/") and name not in _LEFT_OUT
    }


def changes(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """Say which files are not as `hashes` found them: none if all are."""
    found = hashes(folder)
    lost = [f"{name} is missing" for name in expected if name not in found]
    new = [f"{name} is new" for name in found if name not in expected]
    other = [
        f"{name} holds other bytes"
        for name, hashed in found.items()
        if expected.get(name, hashed) != hashed
    ]
    return [*other, *lost, *new]


def write_manifest(folder: Path) -> str:
    """List the files of a folder in a file of it, and return the hash of that."""
    content = json.dumps(hashes(folder), indent=1).encode()
    (folder / NAME).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def manifest_changes(folder: Path, digest: str | None = None) -> list[str]:
    """Say which files of a folder are not as its manifest lists them.

    Without the `digest` that `write_manifest` gave, the manifest is believed.
    """
    try:
        content = (folder / NAME).read_bytes()
        expected = json.loads(content)
    except (OSError, ValueError):
        return [f"{NAME} is missing or cannot be read"]
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        return [f"{NAME} holds other bytes"]
    return changes(folder, expected)


def forget_compiled(folder: Path) -> None:
    """Remove what Python has compiled: it would be run in place of what was hashed."""
    for compiled in folder.rglob(_COMPILED):
        shutil.rmtree(compiled, ignore_errors=True)
