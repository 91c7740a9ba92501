import polars as pl
import pytest

from pipeline.errors import SchemaError
from pipeline.init.wide import sanitized
from pipeline.transforms.sanitize_column_names import Config, sanitize_column_names

CONFIG = Config(replaced="[^0-9a-z]+", separator="_")


@pytest.mark.parametrize(
    ("published", "sanitized"),
    [
        ("APR DRG Code", "apr_drg_code"),
        ("Mean - Cost  (US$)", "mean_cost_us_"),
        ("discharges", "discharges"),
        ("Verkaufte Stücke", "verkaufte_stucke"),
        ("GRÖẞE", "grosse"),
        ("Café Łódź, Ærø", "cafe_lodz_aero"),
        ("日付 (day)", "_day_"),
    ],
)
def test_names_are_lower_case_without_quoted_characters(
    published: str, sanitized: str
) -> None:
    lf = pl.LazyFrame({published: [1]})
    assert sanitize_column_names(lf, CONFIG).collect_schema().names() == [sanitized]


def test_values_dtypes_and_order_are_kept() -> None:
    lf = pl.LazyFrame({"Store Id": ["s"], "Unit Price": [1.5]})
    sanitized = sanitize_column_names(lf, CONFIG).collect()
    assert sanitized.to_dict(as_series=False) == {
        "store_id": ["s"],
        "unit_price": [1.5],
    }


def test_the_separator_is_configurable() -> None:
    lf = pl.LazyFrame(schema={"Unit Price": pl.Float64})
    config = Config(replaced=" ", separator="-")
    assert sanitize_column_names(lf, config).collect_schema().names() == ["unit-price"]


def test_two_columns_of_one_name_are_refused_with_both_names() -> None:
    lf = pl.LazyFrame(
        schema={"Unit Price": pl.Int64, "a": pl.Int64, "unit.price": pl.Int64}
    )
    clash = r"\['Unit Price', 'unit.price'\] would all be named \['unit_price'\]"
    with pytest.raises(SchemaError, match=clash):
        sanitize_column_names(lf, CONFIG)
    accents = pl.LazyFrame(schema={"Stücke": pl.Int64, "Stucke": pl.Int64})
    with pytest.raises(SchemaError, match=r"would all be named \['stucke'\]"):
        sanitize_column_names(accents, CONFIG)


def test_a_new_project_names_columns_as_the_stage_does() -> None:
    names = ["Verkaufte Stücke", "Größe", "Unit Price", "naïve"]
    lf = pl.LazyFrame(schema=dict.fromkeys(names, pl.Int64))
    made = sanitize_column_names(lf, CONFIG).collect_schema().names()
    assert made == [sanitized(name) for name in names]
