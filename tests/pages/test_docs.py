from pathlib import Path

from pipeline.pages.docs import write_pages


def test_the_pages_are_whole_and_small(seen: Path, tmp_path: Path) -> None:
    n_pages = write_pages(seen, tmp_path / "docs")
    written = [*(tmp_path / "docs").rglob("*.html")]
    assert len(written) == n_pages > 2
