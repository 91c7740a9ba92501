"""Errors and other amounts of the target's unit, in words."""


def amount(value: float | None, sign: str = "") -> str:
    """Write an amount as a whole number, or with three significant digits if small.

    It may be dollars or parts of a millionth, or None where it is not known, as the
    bounds of a single cluster. With the sign "+", one above 0 has its sign, too.

    Examples
    --------
    >>> [amount(79_184.6), amount(99.4), amount(0.012345), amount(0.0), amount(None)]
    ['79,185', '99.4', '0.0123', '0', '-']
    """
    if value is None:
        return "-"
    return f"{value:{sign},.0f}" if abs(value) >= 100 else f"{value:{sign}.3g}"
