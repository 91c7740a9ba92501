"""DuckDB's core: the package without the relations in Python that lie on top of it.

To import those takes 0.1 CPU seconds, twice what most questions take. Connections are
the same: whoever needs relations of one, as of Arrow, imports `duckdb` late.
"""

try:
    import _duckdb as duckdb
except ImportError:  # where it lies is not promised
    import duckdb

__all__ = ["duckdb"]
