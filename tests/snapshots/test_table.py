"""Tables for eyes: numbers that can be read, and nothing wider than the terminal."""

import pytest

from pipeline.progress import width_of
from pipeline.snapshots.table import Column, as_table, harmless, vertically

WIDE = [
    Column("unit_id", "INTEGER", [str(i) for i in range(5)]),
    Column("description", "VARCHAR", [f"the long name of unit {i}" for i in range(5)]),
    Column("n_of_all_sold", "BIGINT", ["1234567"] * 5),
    Column("price_per_unit", "DOUBLE", ["0.123456789"] * 5),
    Column("share", "DECIMAL(5,2)", ["12.50"] * 5),
]


def cells(type_: str, *values: str | None, name: str = "x") -> list[str]:
    return Column(name, type_, values).cells("utf-8")


def drawn(columns: list[Column], width: int | None = None) -> list[str]:
    return list(as_table(columns, width, "utf-8"))


def test_counts_have_separators_and_what_counts_nothing_has_none() -> None:
    assert cells("BIGINT", "1234567", "-1000", None) == ["1,234,567", "-1,000", "NULL"]
    assert cells("INTEGER", "1999", "2017") == ["1999", "2017"]
    assert cells("DOUBLE", "2013.0", "2017.5") == ["2013.0", "2017.5"]
    assert cells("DOUBLE", "2013.0", "2200.5") == ["2,013.0", "2,200.5"]
    assert cells("DECIMAL(6,1)", "2013.0") == ["2013.0"]
    assert cells("DOUBLE", "nan", "2013.0") == ["nan", "2,013.0"]
    assert cells("INTEGER", "1999", "2017", "3000") == ["1,999", "2,017", "3,000"]
    for name in ("facility_id", "FacilityId", "apr_drg_code", "Order Number"):
        assert cells("INTEGER", "12345", name=name) == ["12345"]
    for name in ("n_per_id", "ideas", "units_per_code", "num_id"):
        assert cells("INTEGER", "12345", name=name) == ["12,345"]
    assert Column("x", "BIGINT", ["12345"], is_key=True).cells("utf-8") == ["12345"]
    assert cells("UHUGEINT", str(2**64)) == ["18,446,744,073,709,551,616"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["7236.169999999998", "0.5"], ["7,236.17", "    0.50"]),
        (["0.1", "0.30000000000000004"], ["0.1", "0.3"]),
        (["2.0", "1000000.0"], ["2.0", "1,000,000.0"]),
        (["0.123456789", "0.5"], ["0.123457", "0.500000"]),
        (["3.0", "1e-09"], ["3.0", "1e-09"]),
        (["12345.678", "0.00012345"], ["12,345.68", "0.000123"]),
        (["1234567.0", "0.8243", "1.9123"], ["1,234,567.00", "0.824", "1.91"]),
        (["1e300", "-0.0"], ["1e+300", "-0.0"]),
        (["nan", "-inf", "1.25"], ["nan", "-inf", "1.25"]),
    ],
)
def test_floats_show_the_digits_that_say_something(
    values: list[str], expected: list[str]
) -> None:
    assert [cell.strip() for cell in cells("DOUBLE", *values)] == [
        cell.strip() for cell in expected
    ]


def test_a_float_is_never_shown_as_nothing_nor_off_by_more_than_its_last_digit() -> (
    None
):
    values = [
        float(f"{m}e{e}") for e in range(-12, 15) for m in (1.0, 3.14159265, 9.99)
    ]
    for largest in (1e-6, 1.0, 1e9):
        shown = cells("DOUBLE", *map(repr, [*values, largest]))
        for text, value in zip(shown, values, strict=False):
            assert float(text.replace(",", "")) == pytest.approx(value, rel=0.006)


def test_decimal_points_stand_below_each_other() -> None:
    lines = drawn([Column("x", "DOUBLE", ["12345.678", "0.00012345", None])])[2:]
    assert [line.index(".") for line in lines[:2]] == [lines[0].index(".")] * 2
    exact = drawn([Column("x", "DECIMAL(18,3)", ["1234.500", "-0.125", "7.000"])])[2:]
    assert exact == ["1,234.500", "   -0.125", "    7.000"]


def test_what_a_terminal_would_obey_is_text() -> None:
    assert harmless("a\tb\nc\x1b[31m\x9b\u202e", "utf-8") == (
        "a\\tb\\nc\\x1b[31m\\x9b\\u202e"
    )
    assert harmless("é漢", "ascii") == "\\xe9\\u6f22"
    assert "\x1b" not in "".join(drawn([Column("\x1b[2J", "VARCHAR", ["\x1b]0;x\a"])]))


def test_wide_and_combining_characters_are_aligned() -> None:
    texts = ["漢字", "e\u0301", "ab", "👍"]
    assert [width_of(text) for text in texts] == [4, 1, 2, 2]
    names, counts = Column("t", "VARCHAR", texts), Column("n", "INTEGER", ["1"] * 4)
    for line in drawn([names, counts])[2:]:
        assert width_of(line) == len("漢字") * 2 + len("  1")


def test_all_columns_are_there_while_they_fit_and_piped() -> None:
    for width in (None, 88):
        lines = drawn(WIDE, width)
        assert lines[0].split() == [column.name for column in WIDE]
        assert "the long name of unit 4" in lines[-1]


def test_names_take_several_lines_before_text_is_cut() -> None:
    lines = drawn(WIDE, 65)
    assert max(map(width_of, lines)) <= 65
    assert any("the long name of unit 4" in line for line in lines)
    assert lines[0].startswith("unit_ ")
    lines = drawn(WIDE, 54)
    assert max(map(width_of, lines)) <= 54
    assert any("the long name of u…" in line for line in lines)
    assert all("12.50" in line for line in lines[-5:])


def test_columns_that_do_not_fit_are_left_out_in_the_middle_and_named() -> None:
    *lines, said = drawn(WIDE, 36)
    assert max(map(width_of, lines)) <= 36
    assert lines[-1].startswith("    4")
    assert lines[-1].endswith("12.50")
    assert said.startswith("2 of 5 columns not shown: n_of_all_sold, price_per_unit; ")


def test_times_and_codes_are_not_cut_but_left_out() -> None:
    at = "2026-11-30 06:28:05.652"
    columns = [
        Column("run_id", "VARCHAR", ["r20261130_062823_952"] * 4),
        Column("started_at", "TIMESTAMP", [at] * 4),
        Column("source", "VARCHAR", ["a very long name of a source"] * 4),
    ]
    for width in (30, 45, 55, 65):
        lines = drawn(columns, width)[-5:]
        shown = {word for line in lines for word in line.split("  ")}
        assert "r20261130_062823_952" in shown
        assert not any("…" in word and word.startswith(("r2", "20")) for word in shown)


def test_few_rows_that_do_not_fit_are_shown_value_by_value() -> None:
    few = [Column(c.name, c.type, c.values[:2]) for c in WIDE]
    lines = drawn(few, 40)
    assert lines == list(vertically(few, "utf-8"))
    assert lines[:3] == [
        "row 1",
        "  unit_id         0",
        "  description     the long name of unit 0",
    ]
    assert lines[6] == "row 2"


@pytest.mark.parametrize("width", range(1, 120, 7))
def test_no_width_breaks_a_table(width: int) -> None:
    lines = drawn(WIDE, width)
    assert all(
        width_of(line) <= max(width, 6) for line in lines if "not shown" not in line
    )
