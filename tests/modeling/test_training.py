"""A trained model, read as it was judged and fitted again."""

import numpy as np

from pipeline.modeling.data import between
from pipeline.modeling.predictor import fit_model
from pipeline.modeling.train import train
from pipeline.modeling.training import refit
from tests.modeling.conftest import Load


def test_a_refit_learns_from_all_periods_and_keeps_what_was_calibrated(
    ml: Load,
) -> None:
    settings = ml()
    training = train(settings, "ridge")
    df = training.features.read(settings.modeling)
    judged, again = training.load(), refit(settings, training)
    assert again.record.calibrations == judged.record.calibrations
    learned = between(df, settings.modeling, (2010, 2014))
    for predictor, rows in ((judged, learned), (again, df)):
        expected = fit_model(rows, training.config, settings.modeling)
        np.testing.assert_array_equal(predictor.point(df), expected.point(df))
