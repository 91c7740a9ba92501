"""Projects to measure in, as a user has them."""

import json
import shutil
from pathlib import Path

from benchmarks.processes import ROOT


def make_project(folder: Path, file: Path) -> Path:
    """Copy what the user wrote, so that runs and snapshots of it are left alone.

    Its source is a file, of the kind that the file's name ends in.
    """
    for name in ("configs", "transforms", "queries"):
        if (ROOT / name).is_dir():  # the project may have none of its own
            shutil.copytree(ROOT / name, folder / name)
    settings = folder / "configs" / "pipeline.yaml"
    source = json.dumps({"use": file.suffix[1:], "path": str(file.absolute())})
    shipped = "\nsource: synthetic "
    text = settings.read_text()
    assert shipped in text
    settings.write_text(text.replace(shipped, f"\nsource: {source} "))
    return folder
