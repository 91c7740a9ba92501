def test_a_query_is_there_with_its_question_and_sql(files: dict[str, str]) -> None:
    html = files["queries.html"]
    assert 'id="of-costliest_drgs"' in html
    assert "just query NAME" in html
    assert "avg(" in html.lower() or "select" in html.lower()
    assert '"costliest_drgs"' in files["search.js"]
