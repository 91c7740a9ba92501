"""How amounts are written, in their unit."""


def amount(value: float | None, unit: str = "", sign: str = "") -> str:
    """Write an amount with three digits, in its unit; a sign, as $, stands before it.

    "-" stands for what is not known, as the bounds of a single cluster. With the sign
    "+", one above 0 has its sign, too.

    Examples
    --------
    >>> [amount(v, "$") for v in (1_234_567, -350_000, 0, None)]
    ['$1.23M', '-$350k', '$0', '-']
    >>> [amount(1_234_567, "persons"), amount(0.5), amount(1_234, "$", "+")]
    ['1.23M persons', '0.5', '+$1.23k']
    """
    if value is None:
        return "-"
    rounded = abs(float(f"{value:.3g}"))
    sizes = {1e9: "B", 1e6: "M", 1e3: "k", 1.0: ""}
    size = next((size for size in sizes if rounded >= size), 1.0)
    before = "-" if value < 0 else sign * (value > 0)
    sized = f"{rounded / size:.3g}{sizes[size]}"
    if is_sign(unit):
        return f"{before}{unit}{sized}"
    return f"{before}{sized} {unit}".strip()


def is_sign(unit: str) -> bool:
    """Tell whether a unit stands before its amounts, as $ does."""
    return len(unit) == 1 and not unit.isalnum()
