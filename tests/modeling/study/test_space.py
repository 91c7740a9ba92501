from typing import Annotated, Any, Literal

import msgspec
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.config import BaseConfig, Layer, check
from pipeline.modeling.study.space import (
    Categorical,
    FloatRange,
    IntRange,
    Range,
    mistakes_in,
)
from pipeline.modeling.study.study import distribution_of


class Tune(BaseConfig, frozen=True, kw_only=True):
    space: dict[str, Range]


class Params(msgspec.Struct):
    num_leaves: Annotated[int, msgspec.Meta(ge=2, le=255)] = 31
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    boosting: Literal["gbdt", "dart"] = "gbdt"
    max_depth: int | None = None


def decode(**space: Any) -> tuple[Any, list[str]]:
    tree = {"space": space}
    tune, mistakes = check(tree, Tune, "tune", [Layer("x.yaml", {"tune": tree})])
    return tune, [str(mistake) for mistake in mistakes]


def test_kinds_are_decoded_from_plain_values() -> None:
    tune, mistakes = decode(
        num_leaves={"kind": "int", "low": 15, "high": 255, "log": True},
        learning_rate={"kind": "float", "low": 0.01, "high": 0.3, "log": True},
        bagging={"kind": "float", "low": 0, "high": 1, "step": 0.1},
        boosting={"kind": "categorical", "choices": ["gbdt", None, 2, True]},
    )
    assert mistakes == []
    assert tune.space == {
        "num_leaves": IntRange(low=15, high=255, log=True),
        "learning_rate": FloatRange(low=0.01, high=0.3, log=True),
        "bagging": FloatRange(low=0.0, high=1.0, step=0.1),
        "boosting": Categorical(choices=("gbdt", None, 2, True)),
    }


@pytest.mark.parametrize(
    ("plain", "mistake"),
    [
        (
            {"kind": "int", "low": 4, "high": 4},
            "a: expected finite low < high, found 4 and 4",
        ),
        (
            {"kind": "float", "low": 1, "high": float("inf")},
            "a: expected finite low < high, found 1.0 and inf",
        ),
        (
            {"kind": "float", "low": 0, "high": 2, "log": True},
            "a: expected low > 0 with log, found 0.0",
        ),
        (
            {"kind": "int", "low": 0, "high": 8, "log": True, "step": 2},
            "a: expected low > 0 with log, found 0; "
            "expected either log or step, found both, step 2",
        ),
        (
            {"kind": "float", "low": 0.1, "high": 0.4, "step": 0.2},
            "a: expected high - low in steps of 0.2, found 0.3",
        ),
        (
            {"kind": "int", "low": 1, "high": 9, "step": 0},
            "a.step: expected int >= 1, found 0",
        ),
        (
            {"kind": "int", "low": 1.5, "high": 9},
            "a.low: expected int, found 1.5",
        ),
        (
            {"kind": "categorical", "choices": ["gbdt"]},
            "a.choices: expected array of length >= 2, found ['gbdt']",
        ),
        (
            {"kind": "categorical", "choices": [1, "x", 1]},
            "a: expected distinct choices, found [1, 'x', 1]",
        ),
        (
            {"kind": "integer", "low": 1, "high": 9},
            "a.kind: expected one of int, float, categorical, found 'integer'",
        ),
        (
            {"kind": "int", "low": 1, "hihg": 9, "high": 9},
            "a.hihg: unknown field; did you mean 'high'?",
        ),
    ],
)
def test_range_that_makes_no_sense_is_refused_by_name(
    plain: dict[str, Any], mistake: str
) -> None:
    fine = {"kind": "int", "low": 1, "high": 9}
    assert decode(fine=fine, a=plain) == (None, [f"x.yaml: tune.space.{mistake}"])


def test_steps_are_counted_in_decimals() -> None:
    assert 0.3 % 0.1 > 0.09  # in binary, 0.3 is no multiple of 0.1
    assert decode(a={"kind": "float", "low": 0, "high": 0.3, "step": 0.1})[1] == []


def test_optuna_gets_the_same_distributions() -> None:
    space: dict[str, Range] = {
        "n": IntRange(low=2, high=64, log=True),
        "c": Categorical(choices=("x", None)),
        "s": IntRange(low=1, high=9, step=4),
        "f": FloatRange(low=0.0, high=1.0, step=0.25),
        "a": FloatRange(low=0.01, high=1.0, log=True),
    }
    assert [(name, distribution_of(space[name])) for name in sorted(space)] == [
        ("a", FloatDistribution(0.01, 1.0, log=True)),
        ("c", CategoricalDistribution(("x", None))),
        ("f", FloatDistribution(0.0, 1.0, step=0.25)),
        ("n", IntDistribution(2, 64, log=True)),
        ("s", IntDistribution(1, 9, step=4)),
    ]


def test_space_within_the_bounds_of_the_parameters_has_no_mistakes() -> None:
    space: dict[str, Range] = {
        "num_leaves": IntRange(low=2, high=255, log=True),
        "learning_rate": FloatRange(low=0.01, high=0.3),
        "boosting": Categorical(choices=("dart", "gbdt")),
        "max_depth": Categorical(choices=(None, 6)),
    }
    assert mistakes_in(space, Params) == []


def test_every_name_and_value_the_parameters_refuse_is_listed() -> None:
    space: dict[str, Range] = {
        "num_leafs": IntRange(low=2, high=255),
        "zeal": IntRange(low=2, high=255),
        "num_leaves": IntRange(low=1, high=256),
        "learning_rate": FloatRange(low=0.0, high=0.3),
        "boosting": Categorical(choices=("gbdt", "drat")),
        "max_depth": FloatRange(low=1.5, high=4.5),
    }
    known = "num_leaves, learning_rate, boosting, max_depth"
    assert mistakes_in(space, Params) == [
        ("num_leafs", "unknown parameter; did you mean 'num_leaves'?"),
        ("zeal", f"unknown parameter; known parameters: {known}"),
        ("num_leaves.low", "expected int >= 2, found 1"),
        ("num_leaves.high", "expected int <= 255, found 256"),
        ("learning_rate.low", "expected float > 0.0, found 0.0"),
        (
            "boosting.choices[1]",
            "expected one of gbdt, dart, found 'drat'; did you mean 'dart'?",
        ),
        ("max_depth.low", "expected int | null, found 1.5"),
        ("max_depth.high", "expected int | null, found 4.5"),
    ]
