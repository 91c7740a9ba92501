"""Probabilities that rows occur are worth what they say."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.occurrence import (
    calibrated,
    fit_occurrence,
    load_occurrence,
)

PARAMS = {"rounds": 20, "min_data_in_leaf": 20}


def drawn(n: int, seed: int, *, rate: float = 1.0) -> pl.DataFrame:
    """Rows that occur the more probably, the larger `x`; at a rate of their period."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    return pl.DataFrame({"x": x, "occurs": rng.random(n) < x * rate})


def test_probabilities_are_as_many_as_come_also_at_another_rate(tmp_path: Path) -> None:
    seen, unseen = drawn(5_000, 1), drawn(5_000, 2, rate=0.6)
    fitted = fit_occurrence(seen, ["x"], [], PARAMS, seed=1, n_threads=1)
    model = calibrated(fitted, unseen)
    later = drawn(5_000, 3, rate=0.6)
    probability = model.probability(later)
    truth = later["x"].to_numpy() * 0.6
    assert np.abs(probability - truth).mean() < 0.05
    assert np.abs(fitted.probability(later) - truth).mean() > 0.15
    assert ((probability >= 0) & (probability <= 1)).all()

    model.save(tmp_path / "occurrence")
    again = load_occurrence(tmp_path / "occurrence")
    assert (again.probability(later) == probability).all()


@pytest.mark.parametrize(("occurs", "said"), [(True, "all"), (False, "none")])
def test_nothing_is_learned_of_what_never_varies(occurs: bool, said: str) -> None:
    df = drawn(100, 1).with_columns(occurs=pl.lit(occurs))
    with pytest.raises(ModelError, match=f"occurrence: {said} of 100 entities"):
        fit_occurrence(df, ["x"], [], PARAMS, seed=1, n_threads=1)
