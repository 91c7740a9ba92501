import msgspec
import polars as pl

from pipeline.contracts.contract import Contract

SCHEMA = pl.Schema(
    {
        "year": pl.Int64,
        "ward": pl.String,
        "n": pl.Int16,
        "cost": pl.Float64,
        "open": pl.Boolean,
        "seen": pl.Datetime("us"),
    }
)


KEY = ("year", "ward")


def contract(**fields: object) -> Contract:
    """Decode a contract that checks no key unless told."""
    return msgspec.convert({"key": False, **fields}, Contract)


def frame(*rows: tuple[object, ...]) -> pl.DataFrame:
    """Make rows of year, ward, n and cost, sorted by key."""
    schema = dict(list(SCHEMA.items())[:4])
    return pl.DataFrame(rows, schema=schema, orient="row").sort(KEY)
