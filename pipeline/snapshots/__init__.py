"""Published stage outputs: immutable Parquet objects and a DuckDB catalog of views."""
