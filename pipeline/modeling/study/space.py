"""The search space: which values of a model's parameters a study may try."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, TypeAlias

import msgspec

from pipeline.config import BaseConfig, check
from pipeline.errors import nearest


class IntRange(BaseConfig, frozen=True, kw_only=True, tag="int", tag_field="kind"):
    """Whole numbers from ``low`` to ``high``, both included.

    ``step`` counts from ``low``; with ``log``, they are drawn evenly on the scale of
    logarithms.
    """

    low: int
    high: int
    step: Annotated[int, msgspec.Meta(ge=1)] = 1
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range, and a scale that does not fit it."""
        _refuse(self, None if self.step == 1 else self.step)


class FloatRange(BaseConfig, frozen=True, kw_only=True, tag="float", tag_field="kind"):
    """Numbers from ``low`` to ``high``, both included, as of `IntRange`."""

    low: float
    high: float
    step: Annotated[float, msgspec.Meta(gt=0)] | None = None
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range, and a scale that does not fit it."""
        _refuse(self, self.step)


class Categorical(
    BaseConfig, frozen=True, kw_only=True, tag="categorical", tag_field="kind"
):
    """One of several values without an order."""

    choices: Annotated[
        tuple[bool | int | float | str | None, ...], msgspec.Meta(min_length=2)
    ]

    def __post_init__(self) -> None:
        """Refuse a choice that stands there twice; to Python, 1 is True and 1.0."""
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"expected distinct choices, found {[*self.choices]}")


Range: TypeAlias = IntRange | FloatRange | Categorical
"""The values of one parameter; its ``kind`` says which."""


def _refuse(range_: IntRange | FloatRange, step: float | None) -> None:
    """Raise one ValueError that lists what is wrong with a range."""
    low, high = range_.low, range_.high
    faults: list[str] = []
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        faults.append(f"expected finite low < high, found {low} and {high}")
    elif step:
        width = Decimal(str(high)) - Decimal(str(low))
        if width % Decimal(str(step)):
            faults.append(f"expected high - low in steps of {step}, found {width}")
    if range_.log and low <= 0:
        faults.append(f"expected low > 0 with log, found {low}")
    if range_.log and step:
        faults.append(f"expected either log or step, found both, step {step}")
    if faults:
        raise ValueError("; ".join(faults))


def mistakes_in(
    space: Mapping[str, Range], params_type: type[msgspec.Struct]
) -> list[tuple[str, str]]:
    """Say which of a space's names and values a model's parameters do not take.

    Each with where in the space (``num_leaves.high``), and what was expected and found.
    Of a range, the ends are looked at: what lies between is taken, too.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(params_type)}
    mistakes: list[tuple[str, str]] = []
    for name, range_ in space.items():
        if name not in types:
            known = f"; known parameters: {', '.join(types)}"
            text = "unknown parameter" + (nearest(name, types) or known)
            mistakes.append((name, text))
            continue
        if isinstance(range_, Categorical):
            ends = {f"choices[{i}]": value for i, value in enumerate(range_.choices)}
        else:
            ends = {"low": range_.low, "high": range_.high}
        for path, value in ends.items():
            _, found = check(value, types[name], f"{name}.{path}", ())
            mistakes += [(mistake.path, mistake.text) for mistake in found]
    return mistakes
