"""A lazy Polars feature pipeline for panel data, with snapshots in DuckDB."""
