"""Keep the figures of ``just bench``: in a file, and in the catalog."""

from pathlib import Path

import msgspec

from benchmarks.processes import ROOT
from pipeline.files.checksum import write_sealed
from pipeline.snapshots.benchmarks import BenchmarkRecord
from pipeline.snapshots.catalog import publish_catalog
from pipeline.snapshots.store import open_store, read_runs, writing

RESULTS = Path(__file__).with_name("results.json")
SCALE_RESULTS = Path(__file__).with_name("scale.json")
WAIT_S = 30


def keep(record: BenchmarkRecord, file: Path = RESULTS) -> None:
    """Write the newest figures beside the code, and all of them to ``meta.benchmarks``.

    Where there is no run yet, the catalog of the first one shows them.
    """
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    store = open_store(ROOT)
    store.benchmarks.mkdir(parents=True, exist_ok=True)
    name = f"{record.measured_at:%Y%m%dT%H%M%SZ}.json"
    write_sealed(store.benchmarks / name, record)
    runs = read_runs(store)
    if runs:
        with writing(store, WAIT_S):
            publish_catalog(store, runs)
