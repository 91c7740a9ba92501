from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError, PipelineError
from pipeline.init import Unsure, Wishes, init
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.init.tables import DAYS, MONTHS, made, panel


def test_a_project_runs_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = panel(tmp_path / "data" / "a.csv", MONTHS)
    written = made(tmp_path / "project", file)
    assert [(c.what, c.value, c.sure) for c in written.choices] == [
        ("source", "../data/a.csv", "sure"),
        ("time", "when", "sure"),
        ("entity", "unit", "sure"),
        ("every", "1mo", "sure"),
        ("target", "amount", "sure"),
    ]
    report = run(load_settings(tmp_path / "project"))
    assert report.objects["features"].n_rows == 117
    assert report.run.n_bad_rows == 0


def test_what_is_not_known_of_others_takes_no_rows(tmp_path: Path) -> None:
    rows = [
        f"{month},{unit},{n % 5},{n % 3 if unit == 'a' else ''}"
        for unit in "ab"
        for n, month in enumerate(MONTHS)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["month,shop,sold,rain", *rows]))
    made(tmp_path, tmp_path / "a.csv", target="sold")
    path = tmp_path / "configs" / "pipeline.yaml"
    below = path.read_text().replace("  with_past:", "  expanding: {}\n  with_past:")
    path.write_text(below + "expanding: {columns: [sold], functions: [count]}\n")
    report = run(load_settings(tmp_path))
    assert report.objects["features"].n_rows == 2 * (len(MONTHS) - 1)
    with connect(open_store(tmp_path)) as con:
        counts = con.sql(
            "select sold_expanding_count_lag1 from features where shop = 'b'"
        ).fetchall()
    assert [n for (n,) in counts] == list(range(1, len(MONTHS)))


def test_rows_without_a_key_are_set_aside(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS, range(5))
    text = file.read_text().replace("unit", "shop")
    file.write_text(f"{text}2019-05-01,,3\n")
    made(tmp_path, file)
    assert run(load_settings(tmp_path)).run.n_bad_rows == 1


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS)
    (tmp_path / "justfile").write_text("mine")
    with pytest.raises(ConfigError, match=r"would be overwritten\nfound: justfile"):
        made(tmp_path, file)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "justfile"}
    (tmp_path / "justfile").unlink()
    made(tmp_path, file)
    with pytest.raises(ConfigError, match=r"found: configs/pipeline\.yaml"):
        made(tmp_path, file)


def test_a_file_that_cannot_be_written_takes_the_others_along(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS)
    (tmp_path / "queries").write_text("a file in the place of a folder")
    with pytest.raises(OSError, match="queries"):
        made(tmp_path, file)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "queries"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("when,unit,amount\n", "holds a header but no rows"),
        ("unit,amount\na,1\nb,2\n", "no column tells time"),
    ],
)
def test_of_what_is_refused_nothing_stays(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(PipelineError, match=what):
        made(tmp_path / "project", tmp_path / "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_copies_go_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    file = panel(tmp_path / "a.csv", MONTHS, ["Süd", "Nord"])
    file.write_bytes(file.read_text().encode("latin-1"))
    made(tmp_path, file)
    assert [*(tmp_path / "tmp").iterdir()] == []
    assert not (tmp_path / ".pipeline").exists()


def test_who_is_there_is_asked_what_cannot_be_told(tmp_path: Path) -> None:
    rows = [
        f"{d},{d.day % n + 1}{n},shop {n},{d.day % 7},{d.day % 5}.5"
        for n in (2, 3)
        for d in DAYS
    ]
    (tmp_path / "a.csv").write_text("\n".join(["day,note,shop,sold,price", *rows]))
    asked: list[tuple[str, list[str]]] = []

    def answer(question: Unsure) -> str:
        asked.append((question.what, question.options))
        return "sold"

    written = init([tmp_path / "a.csv"], tmp_path, Wishes(), commands={}, ask=answer)
    assert asked == [("target", ["note", "sold", "price"])]
    assert written.choices[4].sure == "as you say"


def test_what_is_moved_to_another_zone_is_said(tmp_path: Path) -> None:
    first, last = datetime(2022, 3, 1), datetime(2022, 3, 9)
    at = pl.datetime_range(first, last, "1h", time_zone="Europe/Berlin", eager=True)
    rows = pl.DataFrame({"at": at, "mw": at.dt.hour()}).join(
        pl.DataFrame({"plant": ["A", "B"]}), how="cross"
    )
    rows.write_parquet(tmp_path / "a.parquet")
    notes = made(tmp_path, tmp_path / "a.parquet").notes
    assert notes == ["at: from Europe/Berlin to UTC, of which hours and days are"]
