"""No output in place of what a project is made of."""

import os
from pathlib import Path

import pytest

from pipeline.errors import QueryError
from pipeline.plan.output import refuse_sources, refuse_to_lose
from pipeline.plan.settings import load_settings
from tests.conftest import LEAN, make_project


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose profile reads other files; `a b.csv` is a link to one."""
    root = make_project(tmp_path_factory.mktemp("output"), n_rows=10, of=LEAN)
    main = root / "configs" / "pipeline.yaml"
    source = "source: {use: csv, path: data/raw.csv}"
    main.write_text(main.read_text().replace("source: csv", source))
    assert source in main.read_text()
    (root / "configs" / "profiles").mkdir(exist_ok=True)
    other = root / "configs" / "profiles" / "other.yaml"
    other.write_text("source: {path: 'more/*.csv'}\n")
    (root / "more").mkdir()
    (root / "more" / "one.csv").write_text("x\n")
    (root / "a b.csv").symlink_to("more/one.csv")
    return root


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("data/raw.csv", "is a file to read"),
        ("data/../data/raw.csv", "is a file to read"),
        ("a b.csv", "is a file to read"),
        ("more/new.csv", "the source would read it"),
        ("configs/pipeline.yaml", "within configs/"),
        ("queries/new.csv", "within queries/"),
        (".pipeline/objects/x.parquet", r"within \.pipeline/"),
        ("transforms/x.json", "within transforms/"),
    ],
)
def test_what_a_project_is_made_of_is_no_output(
    root: Path, target: str, said: str
) -> None:
    with pytest.raises(QueryError, match=said):
        refuse_to_lose(root / target, root)


@pytest.mark.parametrize(
    "target", ["out.csv", "data/out.csv", "more/new.parquet", ".pipeline/docs"]
)
def test_any_other_place_is_one(root: Path, target: str) -> None:
    refuse_to_lose(root / target, root)


def test_a_source_of_the_command_line_is_no_output(root: Path) -> None:
    settings = load_settings(root, overrides=("source.path=more/one.csv",))
    with pytest.raises(QueryError, match="is a file to read"):
        refuse_sources(Path(os.path.relpath(root / "more" / "one.csv")), settings)


def test_a_loop_of_links_is_left_to_who_writes(root: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    refuse_to_lose(loop, root)
