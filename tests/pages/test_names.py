import pytest

from pipeline.pages.names import column_page, slug

HOSTILE = [
    "a/b",
    "../../etc",
    "Å",
    "å",
    "A",
    "a",
    "a b",
    "a_b",
    "",
    ".",
    "<script>",
    "nul",
]


def test_no_two_names_share_a_file_on_a_disk_that_ignores_case() -> None:
    names = [*HOSTILE, "x" * 300, "x" * 301, "Mean Cost", "mean cost", "mean_cost"]
    assert len({slug(name).lower() for name in names}) == len(names)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_becomes_one_plain_part_of_a_path(name: str) -> None:
    assert slug(name).replace("_", "").replace("-", "").isalnum()
    assert slug(name).isascii()


def test_a_plain_name_stays_readable() -> None:
    assert column_page("features", "mean_cost") == "columns/features/mean_cost.html"


def test_no_file_is_called_as_windows_calls_its_devices() -> None:
    assert column_page("con", "com1").startswith("columns/con-")
    assert slug("console") == "console"
    assert slug("com1") != "com1"
