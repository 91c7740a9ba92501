"""Invented names are distinct, shaped like the real ones, and the same for a seed."""

import numpy as np
import polars as pl

from sources._names import draw_drgs, draw_facility_names


def test_some_names_need_quoting(raw: pl.DataFrame) -> None:
    names = raw["Facility Name"].unique()
    assert names.str.contains(",").any()
    assert names.str.contains('"').any()
    assert raw["APR DRG Description"].unique().str.contains(",").any()


def test_drgs_are_distinct_and_in_the_order_of_their_codes() -> None:
    for seed in range(5):
        codes, kinds, descriptions = draw_drgs(np.random.default_rng(seed))
        assert len(codes) == len(kinds) == len(descriptions) == 315
        assert codes == sorted(set(codes))
        assert (codes[0], codes[-1]) == (1, 956)
        assert len(set(descriptions)) == len(codes)


def test_medical_and_surgical_drgs_are_as_many_in_every_draw() -> None:
    counts = [
        [kinds.count(kind) for kind in ("M", "P", "U", "NA")]
        for _, kinds, _ in (draw_drgs(np.random.default_rng(seed)) for seed in range(5))
    ]
    assert counts == [[189, 124, 1, 1]] * 5
    drgs = draw_drgs(np.random.default_rng(1))
    odd = {c: k for c, k in zip(drgs.codes, drgs.kinds, strict=True) if k not in "MP"}
    assert odd == {955: "U", 956: "NA"}


def test_a_seed_draws_the_same_names_and_another_one_others() -> None:
    def draw(seed: int) -> tuple[object, list[str]]:
        rng = np.random.default_rng(seed)
        return draw_drgs(rng), draw_facility_names(rng, 100)

    assert draw(1) == draw(1)
    assert all(one != other for one, other in zip(draw(1), draw(2), strict=True))


def test_facilities_have_a_name_each() -> None:
    for n in (1, 231):
        names = draw_facility_names(np.random.default_rng(1), n)
        assert len(names) == len(set(names)) == n
