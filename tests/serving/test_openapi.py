"""What can be asked is described, and shown without a network or a script."""

from pathlib import Path
from typing import Any, cast

from pipeline.modeling.registry.registry import Version
from pipeline.modeling.settings import load_modeling
from pipeline.serving.champion import Champion
from pipeline.serving.openapi import as_page, document
from tests.conftest import make_project


def test_rows_and_paths_are_described(tmp_path: Path) -> None:
    settings = load_modeling(make_project(tmp_path))
    version = Version("a_b", 3, "", 0, tmp_path, "", None, None)
    columns: Any = {"<b>Year</b>": "code", "Mean Cost": "money", "Name": "text"}
    pool = cast("Any", None)
    champion = Champion(version, settings, "ridge", 2017, columns, {}, {}, pool)
    described = document(champion)
    row = described["components"]["schemas"]["Row"]
    types = {name: of["type"] for name, of in row["properties"].items()}
    assert types == dict(zip(columns, ("integer", "number", "string"), strict=True))
    assert described["openapi"] == "3.1.0"
    assert {"/predict", "/explain", "/health", "/ready"} <= described["paths"].keys()
    references = str(described).split("#/components/schemas/")[1:]
    named = {part.partition("'")[0] for part in references}
    assert named == described["components"]["schemas"].keys()
    page = as_page(described)
    assert "a_b version 3" in page
    assert "&lt;b&gt;Year&lt;/b&gt;" in page
    assert not any(
        part in page for part in ("<b>Year", "<script", "http://", "https://")
    )
