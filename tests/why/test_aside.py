"""Cells that were set aside are named where a mended one may matter."""

from pipeline.why.show import show
from tests.why.conftest import Shop


def test_cells_that_were_set_aside_are_named_where_they_may_matter(
    stalls: Shop,
) -> None:
    found = stalls.why("stalls", "stall=Ann", "year=2013", "sold_lag1")
    assert found.value is None
    cells = found.set_aside.to_dicts()
    assert [(c["file"], c["line"], c["column"], c["value"]) for c in cells] == [
        ("stalls.csv", 4, "Sold", "many")
    ]
    assert found.n_others == 2
    own = stalls.why("stalls", "stall=Ann", "year=2013", "sold")
    assert (own.set_aside.height, own.n_others) == (0, 3)
    of_kind = stalls.why("stalls", "stall=Bob", "year=2011", "sold_expanding_mean_lag1")
    assert of_kind.set_aside["line"].to_list() == [4, 14]
    text = show(found, "table", every_row=False)
    assert "1 cell set aside, which may change the value if mended:" in text
    assert "  stalls.csv  4     Sold    many" in text
