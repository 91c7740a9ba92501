from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.init.files import find_files, kind_of, path_of
from tests.init.tables import DAYS, panel


def test_a_folder_is_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    files = [panel(tmp_path / "data" / f"s{n}.csv", DAYS) for n in (1, 2)]
    (tmp_path / "data" / "README.md").write_text("of two files")
    assert find_files([tmp_path / "data"]) == files
    assert path_of(files, tmp_path) == "data/*.csv"


def test_some_files_of_a_folder_are_named_by_what_they_share(tmp_path: Path) -> None:
    files = [panel(tmp_path / f"sales_{n}.csv", DAYS) for n in (1, 2)]
    panel(tmp_path / "stock.csv", DAYS)
    assert path_of(files, tmp_path) == "sales_*.csv"
    assert path_of(files[:1], tmp_path / "project") == "../sales_1.csv"


def test_a_pattern_that_names_others_too_is_refused(tmp_path: Path) -> None:
    files = [panel(tmp_path / name, DAYS) for name in ("a.csv", "b.csv", "c.csv")]
    with pytest.raises(SourceError, match="no pattern names these files"):
        path_of(files[:2], tmp_path)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.csv", "b.csv.gz"], "csv"),
        (["a.PARQUET"], "parquet"),
        (["a.xlsx"], "excel"),
        (["a.ndjson"], "json_lines"),
        (["a"], "csv"),
    ],
)
def test_the_name_tells_the_kind(names: list[str], kind: str) -> None:
    assert kind_of([Path(name) for name in names]) == kind


def test_a_folder_for_the_project_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file") as error:
        find_files([tmp_path / "new", panel(tmp_path / "a.csv", DAYS)])
    assert "pipeline --project DIR init FILE" in str(error.value)
    assert "source's config" not in str(error.value)


def test_files_of_two_kinds_are_refused() -> None:
    with pytest.raises(SourceError, match=r"several kinds\nfound: csv, excel"):
        kind_of([Path("a.csv"), Path("b.xlsx")])


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("")
    with pytest.raises(SourceError, match=r"no file of a kind.*\nfound: a.pdf"):
        find_files([tmp_path])


@pytest.mark.parametrize(
    ("name", "kind"), [("a.duckdb", "duckdb"), ("a.sqlite", "sql"), ("a.db", "sql")]
)
def test_a_database_is_a_source_of_another_kind(
    tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match=f"of kind `{kind}`, see pipeline/sources"):
        kind_of([tmp_path / name])
