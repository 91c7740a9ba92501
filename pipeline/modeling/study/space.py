"""The search space: which values of a model's parameters a study may try."""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import msgspec
from optuna.trial import Trial

from pipeline.config import BaseConfig, check
from pipeline.errors import nearest


class IntRange(BaseConfig, frozen=True, kw_only=True, tag="int", tag_field="kind"):
    """Whole numbers from ``low`` to ``high``, both included.

    Attributes
    ----------
    low, high : int
        The bounds.
    step : int
        Distance of the values, counted from ``low``.
    log : bool
        Draw evenly on the scale of logarithms.
    """

    low: int
    high: int
    step: Annotated[int, msgspec.Meta(ge=1)] = 1
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range, and a scale that does not fit it."""
        _refuse(self, None if self.step == 1 else self.step)


class FloatRange(BaseConfig, frozen=True, kw_only=True, tag="float", tag_field="kind"):
    """Numbers from ``low`` to ``high``, both included.

    Attributes
    ----------
    low, high : float
        The bounds.
    step : float, optional
        Distance of the values, counted from ``low``; any number if there is none.
    log : bool
        Draw evenly on the scale of logarithms.
    """

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
    """One of several values without an order.

    Attributes
    ----------
    choices : tuple
        At least two, none twice.
    """

    choices: Annotated[
        tuple[bool | int | float | str | None, ...], msgspec.Meta(min_length=2)
    ]

    def __post_init__(self) -> None:
        """Refuse a choice that stands there twice; to Python, 1 is True and 1.0."""
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"expected distinct choices, found {[*self.choices]}")


Range: TypeAlias = IntRange | FloatRange | Categorical
"""The values of one parameter; its ``kind`` says which."""

Space: TypeAlias = dict[str, Range]
"""The parameters of a model that a study chooses, by their names."""


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


def suggest(trial: Trial, space: Mapping[str, Range]) -> dict[str, Any]:
    """Have Optuna choose a value for each parameter, in the order of their names.

    Parameters
    ----------
    trial : optuna.trial.Trial
        What chooses; a parameter it already has keeps its value.
    space : mapping of str to Range
        The parameters.

    Returns
    -------
    dict
        One value per parameter: an int, a float, or one of the choices.
    """
    return {
        name: _suggest(trial, name, range_) for name, range_ in sorted(space.items())
    }


def _suggest(trial: Trial, name: str, range_: Range) -> Any:
    """Have Optuna choose a value for one parameter."""
    match range_:
        case IntRange(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case FloatRange(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case Categorical(choices=choices):
            return trial.suggest_categorical(name, choices)


def mistakes_in(
    space: Mapping[str, Range], params_type: type[msgspec.Struct]
) -> list[tuple[str, str]]:
    """Say which of a space's names and values a model's parameters do not take.

    Parameters
    ----------
    space : mapping of str to Range
        The parameters to choose.
    params_type : type of msgspec.Struct
        All parameters of the model, with their types and bounds.

    Returns
    -------
    list of (str, str)
        Where in the space (``num_leaves.high``), and what was expected and found.
        Empty if every value the space allows is one the model takes: what lies
        between two values it takes, it takes, too.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(params_type)}
    mistakes: list[tuple[str, str]] = []
    for name, range_ in space.items():
        if name not in types:
            known = f"; known parameters: {', '.join(types)}"
            text = "unknown parameter" + (nearest(name, types) or known)
            mistakes.append((name, text))
            continue
        for path, value in _extremes(range_):
            _, found = check(value, types[name], f"{name}.{path}", ())
            mistakes += [(mistake.path, mistake.text) for mistake in found]
    return mistakes


def _extremes(range_: Range) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of those values that stand for all of a range."""
    match range_:
        case Categorical(choices=choices):
            for i, choice in enumerate(choices):
                yield f"choices[{i}]", choice
        case IntRange() | FloatRange():
            yield "low", range_.low
            yield "high", range_.high
