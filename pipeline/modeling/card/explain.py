"""What a model goes by: permutation importances, SHAP values, partial dependence."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import SchemaError
from pipeline.modeling.fit.loss import Metric, mean_error

Vector: TypeAlias = npt.NDArray[np.float64]
Predict: TypeAlias = Callable[[pl.DataFrame], Vector]
"""A model: one prediction for each row of a frame of features."""


def feature_groups(
    features: Sequence[str], bases: Sequence[str]
) -> dict[str, list[str]]:
    """Put a column, its lags and its rolling means into one group.

    Importances of columns that say nearly the same are shared out among them at
    random; those of the group are not.

    Parameters
    ----------
    features : sequence of str
        Columns of the model.
    bases : sequence of str
        Columns that lags and rolling means were made of.

    Returns
    -------
    dict of str to list of str
        Features by group, both in the order of `features`. A group is named for the
        longest base that is the whole feature, or its beginning before a ``_``;
        where there is none, for the feature itself.

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

    The columns of a group move together, by one permutation of the rows [1]_, [2]_.
    All groups share the permutations, so that a group's figure does not depend on
    which others are asked for.

    Parameters
    ----------
    predict : Predict
        The model.
    df : pl.DataFrame of shape (n_rows, n_columns)
        Rows the model was not trained on.
    y : ndarray of shape (n_rows,)
        What they should have been predicted as, in the unit of the predictions.
    groups : mapping of str to sequence of str
        Columns by group, as of `feature_groups`.
    metric : {'mae', 'rmse'}
        Which error.
    n_repeats : int
        Permutations, at least 1.
    seed : int
        Of the permutations.

    Returns
    -------
    pl.DataFrame of shape (n_groups, 5)
        The strongest first, equals by name: ``group``; ``increase``, the mean
        over the repeats in the unit of `y`; ``lower`` and ``upper``, the least and
        the greatest of the repeats; ``share`` of the sum of the increases, where
        one below 0 counts as 0.

    Raises
    ------
    SchemaError
        If a group names a column that `df` lacks.

    References
    ----------
    .. [1] Breiman, "Random Forests", Machine Learning 45, 2001.
    .. [2] Gregorutti, Michel & Saint-Pierre, "Grouped variable importance with
       random forests", Computational Statistics & Data Analysis 90, 2015.
    """
    for group, columns in groups.items():
        _require(f"permutation importance: group '{group}'", columns, df)
    rng = np.random.default_rng(seed)
    permutations = [rng.permutation(df.height) for _ in range(n_repeats)]
    before = mean_error(predict(df) - y, metric)
    repeats = {
        group: [
            mean_error(predict(_permuted(df, columns, p)) - y, metric)
            for p in permutations
        ]
        for group, columns in groups.items()
    }
    increases = pl.DataFrame(
        {"group": list(repeats), "increase": list(repeats.values())},
        schema={"group": pl.String, "increase": pl.List(pl.Float64)},
    ).with_columns(increase=pl.col("increase").list.eval(pl.element() - before))
    positive = pl.col("increase").clip(lower_bound=0)
    return (
        increases.select(
            "group",
            increase=pl.col("increase").list.mean(),
            lower=pl.col("increase").list.min(),
            upper=pl.col("increase").list.max(),
        )
        .with_columns(share=(positive / positive.sum()).fill_nan(0))
        .sort("increase", "group", descending=[True, False])
    )


def shap_values(
    booster: lgb.Booster,
    X: npt.NDArray[np.generic],
    names: Sequence[str],
    *,
    n_rows: int = 2000,
    seed: int,
) -> pl.DataFrame:
    """Share out each prediction among the features, by LightGBM's TreeSHAP.

    Parameters
    ----------
    booster : lightgbm.Booster
        The model.
    X : ndarray of shape (n_all_rows, n_features)
        Features in the order of the model.
    names : sequence of str
        Their names.
    n_rows : int
        Rows explained: a sample without replacement where there are more.
    seed : int
        Of the sample.

    Returns
    -------
    pl.DataFrame of shape (min(n_rows, n_all_rows) * n_features, 5)
        By row and feature: ``row`` of `X`, ``feature``, its ``value``, its ``shap``
        and ``base``, the expected prediction. Per row, ``base`` and the sum of
        ``shap`` make the raw prediction [1]_, in the unit the model was trained in.

    References
    ----------
    .. [1] Lundberg et al., "From local explanations to global understanding with
       explainable AI for trees", Nature Machine Intelligence 2, 2020.
    """
    rng = np.random.default_rng(seed)
    size = min(n_rows, len(X))
    rows = np.sort(rng.choice(len(X), size, replace=False))
    contributions = np.asarray(booster.predict(X[rows], pred_contrib=True))
    return pl.DataFrame(
        {
            "row": np.repeat(rows, len(names)),
            "feature": list(names) * size,
            "value": X[rows].astype(np.float64).ravel(),
            "shap": contributions[:, :-1].ravel(),
            "base": np.repeat(contributions[:, -1], len(names)),
        },
        schema_overrides={"row": pl.Int64, "feature": pl.String},
        nan_to_null=True,
    )


def mean_abs_shap(shap: pl.DataFrame) -> pl.DataFrame:
    """Average the size of each feature's SHAP values.

    Parameters
    ----------
    shap : pl.DataFrame
        As of `shap_values`.

    Returns
    -------
    pl.DataFrame of shape (n_features, 2)
        ``feature`` and ``mean_abs``, the strongest first, equals by name.
    """
    return (
        shap.group_by("feature")
        .agg(mean_abs=pl.col("shap").sort().abs().mean())
        .sort("mean_abs", "feature", descending=[True, False])
    )


def partial_dependence(
    predict: Predict, df: pl.DataFrame, column: str, *, n_points: int = 20
) -> pl.DataFrame:
    """Predict all rows with a column held at one value after another.

    Parameters
    ----------
    predict : Predict
        The model.
    df : pl.DataFrame of shape (n_rows, n_columns)
        Rows over which predictions are averaged [1]_; every row counts, also one
        whose `column` is null.
    column : str
        A number, of which not all are null.
    n_points : int
        Quantiles of `column` that make the grid, at least 2: from the 5th to the
        95th percentile, observed values, nulls left out.

    Returns
    -------
    pl.DataFrame of shape (at most n_points, 3)
        ``column``, ``value`` in rising order without repeats, and the mean
        ``prediction``.

    Raises
    ------
    SchemaError
        If `df` lacks `column`, or it is null in every row.

    References
    ----------
    .. [1] Friedman, "Greedy Function Approximation: A Gradient Boosting Machine",
       Annals of Statistics 29(5), 2001.
    """
    place = f"partial dependence: '{column}'"
    _require(place, [column], df)
    values = df[column].drop_nulls()
    if values.is_empty():
        raise SchemaError(
            f"{place} is null in every row\n"
            f"found: {df.height} nulls in {df.height} rows, expected: a number\n"
            "hint: explain a column that the data has values of"
        )
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


def _require(place: str, columns: Sequence[str], df: pl.DataFrame) -> None:
    """Refuse columns that a frame lacks."""
    missing = [column for column in columns if column not in df.columns]
    if missing:
        raise SchemaError(
            f"{place}: {len(missing)} missing columns: {', '.join(missing)}\n"
            f"found: {', '.join(df.columns)}\n"
            "hint: name columns of the rows that are explained"
        )


def _permuted(
    df: pl.DataFrame, columns: Sequence[str], permutation: npt.NDArray[np.int64]
) -> pl.DataFrame:
    """Give each row the values of another row in some columns."""
    return df.with_columns(pl.col(columns).gather(permutation))
