from pipeline.pages.facts import Facts
from pipeline.pages.quality import checks_over_runs, quality


def test_cells_set_aside_are_counted_by_column_and_reason(
    dirty_facts: Facts, dirty_files: dict[str, str]
) -> None:
    [page] = quality(dirty_facts)
    faults = page.values["faults"]
    assert [(f.column, f.n_cells) for f in faults] == [("Median Cost", 3), ("Year", 1)]
    assert faults[0].place.endswith("raw.csv, line 2")
    assert page.values["n_bad_rows"] == 4
    assert "Median Cost" in dirty_files["quality.html"]


def test_no_value_that_was_set_aside_is_shown(dirty_files: dict[str, str]) -> None:
    pages = [text for path, text in dirty_files.items() if path.endswith(".html")]
    assert not any("alert(" in text for text in pages)


def test_rows_set_aside_are_a_line_over_the_runs(dirty_facts: Facts) -> None:
    [page] = quality(dirty_facts)
    points = [p for piece in page.values["bad"].pieces for p in piece]
    assert [p.text.rpartition(": ")[2] for p in points] == ["0", "0", "4"]


def test_a_check_that_warns_needs_a_look_and_says_since_when(
    dirty_facts: Facts,
) -> None:
    [page] = quality(dirty_facts)
    [failing] = page.values["failing"]
    assert (failing.snapshot, failing.check.name) == ("discharges", "ranges.mean_cost")
    assert failing.check.n_failures > 0
    assert failing.failures.text.endswith("missing in 2 of 3")
    passed = [c for c in checks_over_runs(dirty_facts, "discharges") if not c.failures]
    assert passed


def test_a_project_with_nothing_wrong_says_so(files: dict[str, str]) -> None:
    assert "set no row of the source aside" in files["quality.html"]
    assert "passed" in files["quality.html"]
