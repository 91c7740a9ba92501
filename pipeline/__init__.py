"""A lazy Polars feature pipeline for panel data, with snapshots in DuckDB."""

import os

# Before anything loads OpenMP, of which a process may hold several: threads that wait
# for others spin on a busy machine, and make a fit of a second last half a minute.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
