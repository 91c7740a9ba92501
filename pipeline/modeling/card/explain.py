"""What a model goes by: permutation importances, SHAP values, partial dependence."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.modeling.fit.design import design
from pipeline.modeling.fit.loss import Metric, mean_error
from pipeline.modeling.models.lightgbm import LightGBM
from pipeline.modeling.predictor import Predictor
from pipeline.progress import doing, each

if TYPE_CHECKING:
    from lightgbm import Booster

Vector: TypeAlias = npt.NDArray[np.float64]
Predict: TypeAlias = Callable[[pl.DataFrame], Vector]
"""A model: one prediction for each row of a frame of features."""

N_ROWS = 10_000
"""Rows, at most, that importances are measured on."""
N_REPEATS = 3
N_EXPLAINED = 4
"""Features whose partial dependence is drawn, over at most so many rows."""
N_DEPENDENCE_ROWS = 2_000

SHAP_SCHEMA = {
    "row": pl.Int64,
    "feature": pl.String,
    "value": pl.Float64,
    "shap": pl.Float64,
    "base": pl.Float64,
}


@doing("explaining")
def explain(
    predictor: Predictor,
    df: pl.DataFrame,
    y: Vector,
    bases: Sequence[str],
    *,
    metric: Metric,
    seed: int,
) -> dict[str, pl.DataFrame]:
    """Explain a model on rows it was not trained on, whose outcomes are `y`.

    Gives tables ``importance`` of groups of features, ``shap``, without rows where
    there are no trees, and ``dependence`` on the numeric features that move predictions
    most.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(df.height)[:N_ROWS])
    sample, schema = df[rows], predictor.record.schema
    groups = feature_groups(list(schema.dtypes), bases)
    importance = permutation_importance(
        predictor.point,
        sample,
        y[rows],
        groups,
        metric=metric,
        n_repeats=N_REPEATS,
        seed=seed,
    )
    if isinstance(predictor.model, LightGBM):
        X = design(sample, schema)
        shap = shap_values(
            predictor.model.boosters["point"], X.values, X.columns, seed=seed
        )
        strongest = mean_abs_shap(shap)["feature"].to_list()
    else:
        shap = pl.DataFrame(schema=SHAP_SCHEMA)
        strongest = [name for group in importance["group"] for name in groups[group]]
    few = sample[:: -(-sample.height // N_DEPENDENCE_ROWS)]
    numeric = [c for c in strongest if c not in schema.vocabulary and few[c].count()]
    dependence = pl.concat(
        partial_dependence(predictor.point, few, column)
        for column in numeric[:N_EXPLAINED]
    )
    return {"importance": importance, "shap": shap, "dependence": dependence}


def feature_groups(
    features: Sequence[str], bases: Sequence[str]
) -> dict[str, list[str]]:
    """Put a column, its lags and its rolling means into one group.

    Importances of columns that say nearly the same are shared out among them at
    random; those of the group are not. A group is named for the longest base that is
    the whole feature, or its beginning before a ``_``; where there is none, for the
    feature itself.

    Examples
    --------
    >>> feature_groups(["cost_lag1", "cost_rolling2", "year"], ["cost"])
    {'cost': ['cost_lag1', 'cost_rolling2'], 'year': ['year']}
    """
    groups: dict[str, list[str]] = {}
    for feature in features:
        of = [base for base in bases if f"{feature}_".startswith(f"{base}_")]
        groups.setdefault(max(of, key=len, default=feature), []).append(feature)
    return groups


def permutation_importance(
    predict: Predict,
    df: pl.DataFrame,
    y: Vector,
    groups: Mapping[str, Sequence[str]],
    *,
    metric: Metric,
    n_repeats: int,
    seed: int,
) -> pl.DataFrame:
    """Measure by how much the error grows when a group of columns is shuffled.

    The columns of a group move together, by one permutation of the rows [1]_, [2]_
    (scikit-learn's moves one column at a time). All groups share the permutations, so
    that a group's figure does not depend on which others are asked for.

    Returns
    -------
    pl.DataFrame of shape (n_groups, 5)
        The strongest first, equals by name: ``group``; ``increase``, the mean over the
        repeats in the unit of `y`; ``lower`` and ``upper``, the least and the greatest;
        ``share`` of the sum of the increases, where one below 0 counts as 0.

    References
    ----------
    .. [1] Breiman, "Random Forests", Machine Learning 45, 2001.
    .. [2] Gregorutti, Michel & Saint-Pierre, "Grouped variable importance with
       random forests", Computational Statistics & Data Analysis 90, 2015.
    """
    rng = np.random.default_rng(seed)
    permutations = [rng.permutation(df.height) for _ in range(n_repeats)]
    before = mean_error(predict(df) - y, metric)

    def increases(columns: Sequence[str]) -> list[float]:
        shuffled = (df.with_columns(pl.col(columns).gather(p)) for p in permutations)
        return [mean_error(predict(rows) - y, metric) - before for rows in shuffled]

    repeats = pl.col("increase").list
    positive = pl.col("increase").clip(lower_bound=0)
    return (
        pl.DataFrame(
            [
                (group, increases(columns))
                for group, columns in each(groups.items(), "shuffling")
            ],
            schema={"group": pl.String, "increase": pl.List(pl.Float64)},
            orient="row",
        )
        .select(
            "group", increase=repeats.mean(), lower=repeats.min(), upper=repeats.max()
        )
        .with_columns(share=(positive / positive.sum()).fill_nan(0))
        .sort("increase", "group", descending=[True, False])
    )


def shap_values(
    booster: "Booster",
    X: npt.NDArray[np.generic],
    names: Sequence[str],
    *,
    n_rows: int = 2000,
    seed: int,
) -> pl.DataFrame:
    """Share out each prediction among the features, by LightGBM's TreeSHAP.

    Per row of a sample without replacement, and per feature: ``row`` of `X`,
    ``feature``, its ``value``, its ``shap`` and ``base``, the expected prediction. Per
    row, ``base`` and the sum of ``shap`` make the raw prediction [1]_, in the unit the
    model was trained in.

    References
    ----------
    .. [1] Lundberg et al., "From local explanations to global understanding with
       explainable AI for trees", Nature Machine Intelligence 2, 2020.
    """
    size = min(n_rows, len(X))
    rows = np.sort(np.random.default_rng(seed).choice(len(X), size, replace=False))
    contributions = np.asarray(booster.predict(X[rows], pred_contrib=True))
    return pl.DataFrame(
        {
            "row": np.repeat(rows, len(names)),
            "feature": list(names) * size,
            "value": X[rows].astype(np.float64).ravel(),
            "shap": contributions[:, :-1].ravel(),
            "base": np.repeat(contributions[:, -1], len(names)),
        },
        schema=SHAP_SCHEMA,
        nan_to_null=True,
    )


def mean_abs_shap(shap: pl.DataFrame) -> pl.DataFrame:
    """Average the size of each ``feature``'s SHAP values, as ``mean_abs``.

    The strongest comes first, equals by name.
    """
    return (
        shap.group_by("feature")
        .agg(mean_abs=pl.col("shap").sort().abs().mean())
        .sort("mean_abs", "feature", descending=[True, False])
    )


def partial_dependence(
    predict: Predict, df: pl.DataFrame, column: str, *, n_points: int = 20
) -> pl.DataFrame:
    """Predict all rows with a column held at one value after another [1]_.

    Every row counts, also one whose `column` is null. The values are quantiles of the
    column, observed ones, from its 5th to its 95th percentile. Gives ``column``,
    ``value`` in rising order without repeats, and the mean ``prediction``.

    References
    ----------
    .. [1] Friedman, "Greedy Function Approximation: A Gradient Boosting Machine",
       Annals of Statistics 29(5), 2001.
    """
    values = df[column].drop_nulls()
    levels = np.linspace(0.05, 0.95, n_points)
    grid = pl.Series([values.quantile(level, "nearest") for level in levels])
    grid = grid.cast(values.dtype).unique().sort()
    held = (
        df.with_columns(pl.lit(value, values.dtype).alias(column)) for value in grid
    )
    return pl.DataFrame(
        {
            "column": [column] * len(grid),
            "value": grid.cast(pl.Float64),
            "prediction": [float(predict(rows).mean()) for rows in held],
        }
    )
