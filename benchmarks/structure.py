"""What one pass of the shipped pipeline does, whatever the machine: no clock is read.

``python -m benchmarks.structure CSV FOLDER`` runs it once, as `just run` does, and
prints how often it read the file, how many snapshots it wrote and how many rows. With
``--twice``, the rows set aside come from a scan of their own, a mistake to be found.
"""

import json
import os
import sys
from pathlib import Path

from benchmarks.cases import ROOT, settings_of
from pipeline import sources
from pipeline.engine import one_pass as engine
from pipeline.plan.compose import compose


def structure(csv: Path, folder: Path, *, twice: bool = False) -> dict[str, float]:
    """Run the pass into an empty folder, and count.

    ``scans`` are the bytes read over those of the file, ``sinks`` the snapshots, and
    ``rows`` those written. `twice` plants a second scan.
    """
    settings = settings_of(csv)
    rows, bad = sources.scan(settings.source, ROOT).frames()
    plan = compose(rows, settings.stages)
    work = engine.Work(tuple(plan.snapshots), tuple(plan.nodes), {}, {})
    if twice:
        _, bad = sources.scan(settings.source, ROOT, repair=True).frames()
    before = _bytes_read()
    execution = engine.execute(plan, work, bad, folder)
    n_bytes = _bytes_read() - before
    rows = (execution.n_rows[node.stage.name] for node in plan.snapshots.values())
    return {
        "scans": round(n_bytes / csv.stat().st_size, 2),
        "sinks": len(execution.files),
        "rows": sum(rows),
    }


def _bytes_read() -> int:
    """Bytes this process has read, from wherever; Linux only."""
    fields = Path(f"/proc/{os.getpid()}/io").read_text().split()
    return int(fields[fields.index("rchar:") + 1])


if __name__ == "__main__":
    paths = [Path(word) for word in sys.argv[1:] if word != "--twice"]
    print(json.dumps(structure(*paths, twice="--twice" in sys.argv)))
