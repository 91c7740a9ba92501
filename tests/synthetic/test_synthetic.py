"""The synthetic data is the same for the same seed, whatever the scale."""

from itertools import islice

from polars.testing import assert_frame_equal

from pipeline.plan.settings import load_settings
from tests.conftest import ROOT
from tests.synthetic.conftest import SEED, generate
from tests.synthetic.test_model import ROWS_PER_YEAR


def test_it_is_the_source_unless_another_is_chosen() -> None:
    tree = load_settings(ROOT).tree["source"]
    assert (tree["kind"], tree["seed"], tree["scale"]) == ("synthetic", SEED, 1)
    settings = load_settings(ROOT, overrides=("source.scale=10", "source.seed=7"))
    assert settings.tree["source"] == {**tree, "scale": 10, "seed": 7}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again = next(generate()), next(generate())
    assert_frame_equal(again, first, check_exact=True)
    assert not next(generate(seed=SEED + 1)).equals(first)


def test_scale_adds_other_facilities_and_keeps_the_first_replica() -> None:
    first = next(generate())
    replica_0, replica_1 = islice(generate(scale=2), 2)
    assert_frame_equal(replica_0, first)
    assert replica_1.height == first.height
    assert set(replica_1["Facility Id"]).isdisjoint(first["Facility Id"])
    assert set(replica_1["Facility Name"]) != set(first["Facility Name"])
    assert not replica_1["Mean Charge"].equals(first["Mean Charge"])
    assert set(replica_1["APR DRG Code"]) <= set(range(1, 957))


def test_a_chunk_is_one_year_of_one_replica_whatever_the_scale() -> None:
    for chunk in islice(generate(scale=1_000), 3):
        assert chunk.height == ROWS_PER_YEAR[2009]
