"""No more than the sources of a project are remembered."""

from pipeline.sources.lasts import Lasts


def test_sources_that_were_not_looked_at_for_long_are_forgotten() -> None:
    lasts = Lasts[int]()
    for number in range(1000):
        lasts["its own"] = number
        lasts[f"{number}.csv"] = number
    assert len(lasts) < 10
    assert lasts["its own"] == lasts["999.csv"] == 999
    assert "0.csv" not in lasts
