"""Boosted trees, or a forest of them, with trees for both ends of the interval."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.modeling.fit.design import Design, Matrix
from pipeline.modeling.fit.target import Array
from pipeline.progress import doing

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset
    from lightgbm.callback import CallbackEnv

Part = Annotated[float, Meta(gt=0, le=1)]


LIBRARIES = ("lightgbm",)
TAKES_CATEGORIES = True


class Params(BaseConfig, frozen=True, kw_only=True):
    """Parameters of LightGBM's, under its names; `rounds` is the number of trees."""

    boosting: Literal["gbdt", "rf"] = "gbdt"
    rounds: Annotated[int, Meta(ge=1)] = 100
    learning_rate: Annotated[float, Meta(gt=0)] = 0.1
    max_bin: Annotated[int, Meta(ge=2, le=255)] = 255
    num_leaves: Annotated[int, Meta(ge=2, le=131072)] = 31
    max_depth: int = -1
    min_data_in_leaf: Annotated[int, Meta(ge=0)] = 20
    feature_fraction: Part = 1.0
    bagging_fraction: Part = 1.0
    lambda_l1: Annotated[float, Meta(ge=0)] = 0
    lambda_l2: Annotated[float, Meta(ge=0)] = 0
    cat_smooth: Annotated[float, Meta(ge=0)] = 10
    cat_l2: Annotated[float, Meta(ge=0)] = 10
    min_data_per_group: Annotated[int, Meta(ge=1)] = 100

    def __post_init__(self) -> None:
        """Refuse a forest of equal trees."""
        if self.boosting == "rf" and self.bagging_fraction == 1:
            raise ValueError("expected bagging_fraction below 1 where boosting is rf")


@dataclass(frozen=True)
class LightGBM:
    """Boosters by what they predict: ``point``, and ``lower`` and ``upper`` or none."""

    boosters: dict[str, "Booster"]

    def predict(self, X: Design) -> Array:
        """Predict the fitted target."""
        return _predict(self.boosters["point"], X)

    def quantiles(self, X: Design) -> tuple[Array, Array] | None:
        """Predict both quantiles, if they were fitted."""
        if "lower" not in self.boosters:
            return None
        lower, upper = self.boosters["lower"], self.boosters["upper"]
        return _predict(lower, X), _predict(upper, X)

    def save(self, folder: Path) -> None:
        """Write a text file per booster, the same for any number of threads."""
        for name, booster in self.boosters.items():
            text = re.sub(r"\[num_threads: \d+\]\n", "", booster.model_to_string())
            (folder / f"{name}.txt").write_text(text)


def import_alone() -> None:
    """Import LightGBM without what it takes if it is there: a second, and no use."""
    if "lightgbm" in sys.modules:
        return
    absent = [name for name in ("pandas", "sklearn") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        import lightgbm  # pyright: ignore[reportUnusedImport] # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


def _predict(booster: "Booster", X: Design) -> Array:
    """Predict with a booster."""
    return booster.predict(X.values)  # pyright: ignore[reportReturnType] # dense input


def fit(
    X: Design,
    y: Array,
    params: Params,
    *,
    weight: Array | None,
    quantiles: Sequence[float],
    seed: int,
    n_threads: int,
) -> LightGBM:
    """Fit the mean, and the quantiles with the same parameters but equal weights."""
    targets: dict[str, tuple[dict[str, Any], Array | None]]
    targets = {"point": ({"objective": "regression"}, weight)}
    for name, level in zip(("lower", "upper"), quantiles, strict=False):
        targets[name] = ({"objective": "quantile", "alpha": level}, None)
    how = (params, seed, n_threads)
    return LightGBM(
        {
            name: _train(X, y, row_weight, objective, *how)
            for name, (objective, row_weight) in targets.items()
        }
    )


def fit_binary(
    X: Design, y: Array, params: Params, *, seed: int, n_threads: int
) -> LightGBM:
    """Fit the probability that `y` is 1 and not 0, which `predict` gives then."""
    objective = {"objective": "binary"}
    return LightGBM({"point": _train(X, y, None, objective, params, seed, n_threads)})


def _train(
    X: Design,
    y: Array,
    weight: Array | None,
    objective: dict[str, Any],
    params: Params,
    seed: int,
    n_threads: int,
) -> "Booster":
    """Train one booster.

    It knows features by their positions: LightGBM refuses names with characters such as
    commas and brackets.
    """
    import_alone()
    import lightgbm

    given = msgspec.to_builtins(params)
    rounds = given.pop("rounds")
    fixed = {
        "bagging_freq": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": n_threads,
    }
    binning = {
        "max_bin": params.max_bin,
        "seed": seed,
        "feature_pre_filter": False,
        "verbose": -1,
    }
    left_out = _left_out(X, binning, params.min_data_in_leaf)
    data = X.once(
        ("binned", *binning.values(), *left_out), lambda: _binned(X, binning, left_out)
    )
    # A weight of None would leave the one before.
    data.set_label(y).set_field("weight", None).set_weight(weight)
    with doing("rounds") as step:

        def say(env: "CallbackEnv") -> None:
            step.say(f"{env.iteration + 1} of {rounds}")

        return lightgbm.train(  # pyright: ignore[reportUnknownMemberType] # callbacks
            binning | fixed | given | objective,
            data,
            num_boost_round=rounds,
            callbacks=[say],
        )


def _binned(X: Design, binning: dict[str, Any], left_out: Sequence[int]) -> "Dataset":
    """Put values into bins: a third of what some dozens of trees take.

    Columns that are left out become constants, which no tree is asked about.
    """
    values = X.values
    if left_out:
        values = values.copy(order="K")
        values[:, left_out] = 0
    return _dataset(values, X.categories, binning)


def _left_out(X: Design, binning: dict[str, Any], min_data_in_leaf: int) -> list[int]:
    """Find the columns that LightGBM leaves out, as no split of them fills two leaves.

    It does so when it puts values into bins, so that these would serve no other
    `min_data_in_leaf`. Where that is less than an eighth of the rows, and there are
    eight bins, it can only be so if one value has most rows, or of categories.
    """
    n_rows, n_columns = X.values.shape
    asked = [*range(n_columns)]
    if min_data_in_leaf * 8 < n_rows and binning["max_bin"] >= 8:
        asked = sorted({*X.once("unvaried", lambda: _unvaried(X)), *X.categories})
    if not asked:
        return []
    categories = [i for i, column in enumerate(asked) if column in X.categories]
    filtering = {"feature_pre_filter": True, "min_data_in_leaf": min_data_in_leaf}
    tried = _dataset(X.values[:, asked], categories, binning | filtering)
    return [column for i, column in enumerate(asked) if not tried.feature_num_bin(i)]


def _unvaried(X: Design) -> list[int]:
    """Find the columns in which one value, or NaN, has half of the rows or more."""
    middle = np.partition(X.values, len(X.values) // 2, axis=0)[len(X.values) // 2]
    is_middle = (X.values == middle) | (np.isnan(X.values) & np.isnan(middle))
    return np.flatnonzero(is_middle.mean(axis=0) >= 0.5).tolist()


def _dataset(
    values: Matrix, categories: Sequence[int], params: dict[str, Any]
) -> "Dataset":
    """Make LightGBM's own of a matrix."""
    import_alone()
    import lightgbm

    labels = np.zeros(len(values))  # it refuses to go without
    return lightgbm.Dataset(
        values, labels, params=params, categorical_feature=[*categories]
    ).construct()


def load(folder: Path) -> LightGBM:
    """Read the boosters."""
    import_alone()
    import lightgbm

    return LightGBM(
        {
            path.stem: lightgbm.Booster(model_str=path.read_text())
            for path in sorted(folder.glob("*.txt"))
        }
    )
