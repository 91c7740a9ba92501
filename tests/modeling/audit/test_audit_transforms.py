"""Transformations that look at other rows leak nothing, unless they are told so."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.modeling.audit.audit import audit
from pipeline.modeling.settings import load_modeling
from tests.modeling.shops import shops

OPEN = "drop_present.columns=[sold, price, visits]"
"""Lets all through but what is of its period by itself."""

FEATURES = {
    "change": ("{columns: [sold], functions: [difference, growth]}", 2),
    "ewm": ("{columns: [sold]}", 1),
    "join_past": (
        "{keys: [shop], columns: [cost]}\ncosts: {columns: {cost: price * visits}}",
        1,
    ),
    "expanding": ("{columns: [sold], functions: [mean, std, count]}", 3),
}


def project(root: Path, *lines: tuple[str, str]) -> Path:
    """Make shops whose pipeline is changed, and some of whose years are absent."""
    shops(root, range(2010, 2015))
    file = root / "configs" / "pipeline.yaml"
    text = file.read_text()
    for before, after in lines:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)
    rows = pl.read_csv(root / "data.csv")
    rows.filter((pl.col("visits") + pl.col("year")) % 5 != 0).write_csv(
        root / "data.csv"
    )
    return root


@pytest.mark.parametrize("name", FEATURES)
def test_a_column_of_the_past_is_sound_and_one_of_its_period_is_found(
    tmp_path: Path, name: str
) -> None:
    values, n_columns = FEATURES[name]
    entry = f"  {name}: {{}}\n"
    if name == "join_past":
        entry = (
            "  costs: {transform: derive, inputs: [sanitize_column_names]}\n"
            "  join_past: {inputs: [rolling_columns, costs]}\n"
        )
    stage = ("  drop_present:", f"{entry}  drop_present:")
    section = ("history:", f"{name}: {values}\nhistory:")
    root = project(tmp_path, stage, section)
    sound = audit(load_modeling(root))
    assert sound.leaks == []
    assert len(sound.features) == 2 + n_columns
    told = audit(load_modeling(root, overrides=(f"{name}.lag=0", OPEN)))
    leaks = {leak.column for leak in told.leaks}
    assert leaks
    assert leaks <= {column.removesuffix("_lag1") for column in sound.features}


def test_a_panel_of_rows_that_were_made_is_sound(tmp_path: Path) -> None:
    snapshot = "{snapshot: sales, key: [shop, year]}"
    root = project(
        tmp_path,
        (
            f"  sanitize_column_names: {snapshot}",
            f"  sanitize_column_names: {{}}\n  resample: {snapshot}",
        ),
        ("history:", "resample: {columns: {sold: sum}, zero: [sold]}\nhistory:"),
    )
    assert audit(load_modeling(root)).leaks == []


def test_what_is_derived_of_the_past_comes_through_and_of_its_period_does_not(
    tmp_path: Path,
) -> None:
    stage = ("  drop_present:", "  derive: {}\n  drop_present:")
    values = '{rise: "sold_lag1 / (sold_rolling2 + 1)", own: visits * 2, odd: year % 2}'
    root = project(
        tmp_path, stage, ("history:", f"derive: {{columns: {values}}}\nhistory:")
    )
    found = audit(load_modeling(root))
    assert found.leaks == []
    assert set(found.features) == {"sold_lag1", "sold_rolling2", "rise", "odd"}
