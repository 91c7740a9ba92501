"""Sums of floats that are the same to the last bit in any order."""

import polars as pl

# A power of two, so that scaling a float rounds nothing away.
_FIXED_POINT = float(2**33)


def to_fixed_point(expr: pl.Expr) -> pl.Expr:
    """Take floats as whole numbers, which add up to the same bits in any order.

    Each value becomes a whole multiple of 2**-33 (about 1e-10), as in a fixed-point
    accumulator [1]_. Float addition is not associative, so a parallel float sum
    differs from run to run.

    Parameters
    ----------
    expr : pl.Expr
        Numeric.

    Returns
    -------
    pl.Expr
        Int128, to be summed and given to `from_fixed_point`; null where `expr` is.

    Raises
    ------
    polars.exceptions.InvalidOperationError
        When executed, for NaN, infinity and magnitudes above 1.9e28.

    References
    ----------
    .. [1] Kulisch, "Computer Arithmetic and Validity", de Gruyter, 2nd ed. 2013, ch. 8.
    """
    return (expr * _FIXED_POINT).round().cast(pl.Int128)


def from_fixed_point(total: pl.Expr) -> pl.Expr:
    """Turn a sum of what `to_fixed_point` gave into a Float64."""
    return total.cast(pl.Float64) / _FIXED_POINT
