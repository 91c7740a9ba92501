"""Rows that are set aside: how many may be, and what is said where they are more."""

from math import ceil
from pathlib import Path

import msgspec
import polars as pl

from pipeline.errors import SourceError
from pipeline.files.remote import is_remote
from pipeline.sources.scan import MOST_BAD
from pipeline.sources.source import SourceConfig, reads, scan

_N_SHOWN = 10


def refuse_too_many(bad: pl.DataFrame, config: SourceConfig, root: Path) -> int:
    """Count the bad rows of `number_lines`, and refuse the source if they are too many.

    Where there are some, the good ones are counted, too, which takes one more look at
    the files.

    Raises
    ------
    SourceError
        With the first of the cells, if they are of more rows than
        ``config.max_bad_rows`` allows, or a file has no good row.
    """
    if bad.is_empty():
        return 0
    of_files = bad.group_by("file", maintain_order=True).agg(pl.col("line").n_unique())
    n_bad = int(of_files["line"].sum())
    n_most = min(n for n in (MOST_BAD - 1, *config.bad_limits) if isinstance(n, int))
    if n_bad > n_most:
        more = " or more" if n_bad >= MOST_BAD else ""
        raise _too_many(f"{n_bad} bad rows{more}, expected at most {n_most}", bad)
    for file in of_files["file"]:
        path = file if is_remote(file) else str(root / file)
        alone = msgspec.structs.replace(reads(config, root), path=path)
        if not _count_good(alone, root, 1):
            raise SourceError(
                f"{path}: holds no good rows; the first:\n"
                f"{_listed(bad.filter(pl.col('file') == file))}\n"
                "hint: mend the file, or leave it out"
            )
    shares = [n for n in config.bad_limits if isinstance(n, float)]
    if shares:
        # Of so many rows, n_bad are no more than the share of them.
        n_enough = ceil(n_bad / min(shares))
        n_rows = n_bad + _count_good(config, root, n_enough - n_bad)
        if n_rows < n_enough:
            most = int(min(shares) * n_rows)
            expected = f"at most {most}, {100 * min(shares):g} % of {n_rows:,}"
            raise _too_many(f"{n_bad} bad rows, expected {expected}", bad)
    return n_bad


def _count_good(config: SourceConfig, root: Path, n_enough: int) -> int:
    """Count the good rows of a source, and read no more of it once there are enough."""
    rows, _ = scan(config, root, repair=True).frames()
    return rows.head(n_enough).select(pl.len()).collect(engine="streaming").item()


def _too_many(fault: str, bad: pl.DataFrame) -> SourceError:
    """Refuse bad rows, with the first of their cells."""
    return SourceError(
        f"{fault}; the first:\n{_listed(bad)}\n"
        "hint: mend the file, or allow more with source.max_bad_rows=N, or a share such"
        " as 0.05"
    )


def _listed(bad: pl.DataFrame) -> str:
    """List the first bad cells for an error."""
    return "\n".join(f"  {line}" for line in describe_bad(bad))


def describe_bad(bad: pl.DataFrame) -> list[str]:
    """List the first bad cells, a line for each, and how many more there are."""
    lines = [
        f"{file}:{line}: {column or 'row'}: {value!r} {reason}"
        for file, line, column, value, reason in bad.head(_N_SHOWN).iter_rows()
    ]
    more = bad.height - _N_SHOWN
    return [*lines, f"... and {more:,} cells more"] if more > 0 else lines
