from pipeline.pages.facts import Facts


def test_the_newest_run_comes_first(facts: Facts, files: dict[str, str]) -> None:
    html = files["index.html"]
    newest, before = facts.runs[1].run_id, facts.runs[0].run_id
    assert html.index(newest) < html.index(before)


def test_what_changed_since_the_run_before_is_said(files: dict[str, str]) -> None:
    assert "data: source: data/raw.csv changed" in files["index.html"]


def test_snapshots_have_their_rows_and_how_many_more(
    facts: Facts, files: dict[str, str]
) -> None:
    now = facts.object("discharges")
    before = facts.object("discharges", facts.before)
    assert now
    assert before
    html = files["index.html"]
    assert f"{now.n_rows:,}" in html
    assert f"\N{MINUS SIGN}{before.n_rows - now.n_rows}" in html
