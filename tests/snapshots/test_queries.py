"""Named queries: what their files say."""

from pathlib import Path

import pytest

from pipeline.errors import QueryError
from pipeline.snapshots.queries import load_query, query_names


def test_query_that_cannot_be_read_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder.sql").mkdir()
    (tmp_path / "latin.sql").write_text("-- question: Größe?\nSELECT 1", "latin-1")
    (tmp_path / "good.sql").write_text("\ufeff-- question: Why?\nSELECT 1", "utf-8")
    assert query_names(tmp_path) == ["good", "latin"]
    assert load_query(tmp_path, "good").question == "Why?"
    with pytest.raises(QueryError, match=r"^queries/latin.sql: a byte that is"):
        load_query(tmp_path, "latin")
