"""Rows split into parts give what one pass over all of them gives, to the last bit."""

import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import (
    ConfigError,
    ContractError,
    PipelineError,
    SnapshotError,
    SourceError,
)
from pipeline.plan.wiring import Selection
from pipeline.run.kept import left_parts
from pipeline.snapshots.store import open_store
from pipeline.sources import csv
from tests.commands.test_cli import invoke
from tests.engine.conftest import WORDS, Made, copy_small, make
from tests.test_faults import finish, mounted, start

FORCE = Selection(force=True)

SLOW = pytest.mark.slow
"""Of what others show in part: together they take a minute."""

Another = Callable[[], Path]


def require_equal(found: Made, expected: Made) -> None:
    """Refuse any difference."""
    for kind, records in expected.records.items():
        assert found.records[kind] == records
    assert list(found.frames) == list(expected.frames)
    for name, df in expected.frames.items():
        assert_frame_equal(found.frames[name], df, check_exact=True)


@pytest.fixture(scope="module")
def in_one_pass(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """The small project after one pass, not to change, and what that made."""
    root = tmp_path_factory.mktemp("whole")
    copy_small(root)
    return root, make(root, "engine.partitions=1")


@pytest.fixture
def whole(in_one_pass: tuple[Path, Made]) -> Made:
    """What one pass makes of the small project."""
    return in_one_pass[1]


def spoil(root: Path, *lines: str) -> None:
    """Append lines to the second file of the raw rows."""
    with (root / "data" / "b.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def rounds_of(caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
    """List the rounds of a run, each with the tasks that it had left to do."""
    done = Counter(re.findall(r"round (\d) of \d, [^:]+: \d+ of \d+", caplog.text))
    caplog.clear()
    return [(int(number), n) for number, n in done.items()]


def test_any_number_of_parts_gives_what_one_pass_gives(
    another: Another, whole: Made
) -> None:
    require_equal(make(another(), "engine.partitions=5"), whole)


def keep_facilities(root: Path, n: int) -> None:
    """Leave rows of the first facilities only."""
    codes: list[int] = []
    for path in sorted((root / "data").iterdir()):
        df = pl.read_csv(path)
        codes = codes or df["Facility Id"].unique(maintain_order=True).to_list()[:n]
        df.filter(pl.col("Facility Id").is_in(codes)).write_csv(path)


@SLOW
def test_more_parts_than_facilities_give_what_one_pass_gives(
    small: Path, another: Another
) -> None:
    keep_facilities(small, 6)
    expected = make(another(), "engine.partitions=1")
    assert expected.frames["facilities"].height == 6
    require_equal(make(another(), "engine.partitions=9"), expected)


def test_other_keys_and_values_give_what_one_pass_gives(another: Another) -> None:
    words = [
        # Without the column of the parts, and with it last; and values of the origin.
        "stages.total_mean_cost.key=[apr_drg_code, mean_charge, mean_cost, year]",
        "stages.drop_non_lag_columns.key=[apr_drg_code, year, facility_id]",
        *("ratio_drg_facility_vs_year.lag=0", "yearly_discharge_bin.lag=0"),
        *("lag_columns.by=row", "drop_rare_drgs.reference_periods=null"),
    ]
    expected = make(another(), *words, "engine.partitions=1")
    require_equal(make(another(), *words, "engine.partitions=3"), expected)


def merge_facilities(root: Path, giant: str | None) -> None:
    """Make one facility of all but four, and a text, or nothing, of the codes."""
    paths = sorted((root / "data").iterdir())
    df = pl.concat(pl.read_csv(path) for path in paths)
    number = pl.col("Facility Id").rank("dense").cast(pl.Int64)
    name = pl.when(number > 36).then(pl.format("Hôpital {}", number))
    df = df.with_columns(
        name.otherwise(pl.lit(giant)).alias("Facility Id"),
        pl.col("APR DRG Code") + 1000 * number,
    )
    assert df["Facility Id"].value_counts()["count"].max() == 2648
    for path in paths:
        path.unlink()
    df.write_csv(paths[0])


@pytest.mark.parametrize(
    "giant",
    [pytest.param("Aîné", marks=SLOW), pytest.param("Hôpital 38b", marks=SLOW), None],
    ids=str,
)
def test_text_null_and_one_value_of_most_rows_give_what_one_pass_gives(
    small: Path, another: Another, giant: str | None
) -> None:
    merge_facilities(small, giant)
    keyed = ("discharges", "facilities", "facility_drg_year", "features")
    words = [
        "columns.Facility Id=text",
        "checks.discharges.columns.facility_id=String",
        "checks.discharges.not_null=[year]",
        *(f"checks.{name}.warn=[key]" for name in keyed),  # of which none may be null
        "drop_rare_drgs.min_total=2",
    ]
    expected = make(another(), *words, "engine.partitions=1")
    assert expected.frames["facility_drg_year"].height > 300
    require_equal(make(another(), *words, "engine.partitions=7"), expected)


@SLOW
def test_rows_of_one_value_are_one_part(small: Path, another: Another) -> None:
    for path in sorted((small / "data").iterdir()):
        df = pl.read_csv(path)
        df.filter(pl.col("Facility Id") == df["Facility Id"].mode().min()).write_csv(
            path
        )
    (small / "data" / "b.csv").unlink()
    gaps = "panel.missing_periods=[2014, 2015, 2016]"
    expected = make(another(), gaps, "engine.partitions=1")
    require_equal(make(small, gaps, "engine.partitions=2"), expected)


def test_column_that_a_stage_changes_gives_what_one_pass_gives(
    another: Another,
) -> None:
    # As if hospitals had merged: rows must be split by what their facility is then.
    words = [
        "median_profit={minuend: year, subtrahend: apr_severity_of_illness_code}",
        "median_profit.column=facility_id",
        "total_median_profit.factor=median_charge",
        "agg_severities.medians=[total_median_profit, total_median_cost]",
        "panel.values=[sum_discharges, w_total_median_profit]",
        "checks.discharges.sql.median_profit_is_charge_less_cost=discharges > 0",
        "checks.discharges.warn=[key]",
        "checks.facility_drg_year=null",
    ]
    results = [make(another(), *words, f"engine.partitions={n}") for n in (1, 3)]
    expected, found = (m.frames["facility_drg_year"] for m in results)
    assert expected.height > 500
    assert_frame_equal(found, expected, check_exact=True)


def test_bad_rows_are_set_aside_and_others_repaired_as_in_one_pass(
    small: Path, another: Another, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(
        small,
        '2017,1,"Two\nLines",53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,-1.0',
        "2017,,No Code,53,2,Bad,Moderate,M,Medical,0,4.0,3.0,2.0,1.0",
        '2017,1,Good,53,2,Good,Moderate,M,Medical,"1,000",$4.00,3.0,2.0,1.0',
    )
    expected = make(another(), "engine.partitions=1")
    assert expected.frames["quarantine"].height == 4
    assert expected.frames["discharges"].height == 3001
    with caplog.at_level("DEBUG"):
        found = make(another(), "engine.partitions=3")
    require_equal(found, expected)
    assert "reading again, repairing" in caplog.text
    # The first reading ends once it is known to be in vain.
    assert rounds_of(caplog) == [(1, 4), (2, 3), (3, 3), (4, 3)]


def test_too_many_bad_rows_stop_the_run_once_the_source_is_read(
    small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(small, "2017,1,A,53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,1.0")
    words = "engine.partitions=3", f"engine.folder={tmp_path}/part=0/b c"
    with (
        caplog.at_level("DEBUG"),
        pytest.raises(SourceError, match="1 bad rows, expected at most 0") as caught,
    ):
        make(small, "source.max_bad_rows=0", *words)
    assert "data/b.csv:1203: Discharges: 'many'" in str(caught.value)
    assert rounds_of(caplog) == [(1, 4)]  # as read, and repaired
    store = open_store(small)
    assert not store.catalog.exists()
    [left] = left_parts(store)
    assert (Path(left) / "round-0").is_dir()
    for words in (("gc", "--dry-run"), ("gc",)):
        assert f"{left}\n1 " in invoke(small, *words).output
    assert left_parts(store) == []
    assert not Path(left).exists()


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (None, ["agg_severities.codes=[1, 2, 3, 4, 0]"]),
        pytest.param(
            Selection(only="features"), ["drop_rare_drgs.min_total=30"], marks=SLOW
        ),
        pytest.param(
            Selection(from_="lag_columns"), ["lag_columns.periods=2"], marks=SLOW
        ),
        pytest.param(Selection(only="drgs", force=True), [], marks=SLOW),
        pytest.param(None, ["checks.features.warn=[finite]"], marks=SLOW),
    ],
    ids=["stale", "only", "from", "small-table", "checks-alone"],
)
def test_runs_that_go_on_from_snapshots_give_what_one_pass_gives(
    in_one_pass: tuple[Path, Made],
    another: Another,
    selection: Selection | None,
    words: list[str],
) -> None:
    roots = another(), another()
    for root in roots:
        shutil.copytree(in_one_pass[0] / ".pipeline", root / ".pipeline")
    expected, found = (
        make(root, *words, f"engine.partitions={n_parts}", selection=selection)
        for root, n_parts in zip(roots, (1, 2), strict=True)
    )
    require_equal(found, expected)


def kill(root: Path, at: str, *words: str, stop: bool = False) -> None:
    """Start a run, and kill or stop it once it makes a folder."""
    number = signal.SIGINT if stop else signal.SIGKILL
    words = ("--quiet", "run", *WORDS, *words)
    before = open_store(root).catalog.exists() * ", the previous run is still there"
    kept = "; parts that were finished are kept, and the same command goes on"
    said = f"stopped: nothing was published{before}{kept}\n"
    process = start(root, *words, at=f"{at} 511", number=number)
    assert finish(process) == ((130, said) if stop else (-number, ""))


def test_killed_run_goes_on_at_the_part_that_is_not_done(
    small: Path, whole: Made, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    root, words = small, "engine.partitions=4"
    kill(root, "round-1/00002", words)
    kill(root, "round-2/00001", words, stop=True)
    assert not open_store(root).catalog.exists()
    caplog.clear()
    require_equal(make(root, words), whole)
    assert caplog.text.count("going on with what an earlier run") == 1
    assert "an earlier run finished: 7 of 14 parts" in caplog.text
    assert "parts up to ratio_drg_facility_vs_year: 4 of 4, " in caplog.text
    assert rounds_of(caplog) == [(3, 3), (4, 4)]


@pytest.mark.slow
def test_killed_while_it_repaired_a_run_goes_on_with_the_repaired_rows(
    small: Path, another: Another, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    spoil(small, "2017,1,Good,53,2,G,Moderate,M,Medical,7,$4.00,3.0,2.0,1.0")
    expected = make(another(), "engine.partitions=1")
    kill(small, "round-2/00000", words := "engine.partitions=4")
    caplog.clear()
    require_equal(make(small, words), expected)
    assert rounds_of(caplog) == [(3, 4), (4, 4)]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project after a run in four parts that failed; not to change."""
    root = tmp_path_factory.mktemp("failed") / "project"
    root.mkdir()
    copy_small(root)
    with pytest.raises(ContractError):
        make(root, "engine.partitions=4", "checks.features.rows.exact=1")
    return root


@pytest.mark.parametrize(
    ("words", "n_parts", "is_other"),
    [
        ([], 4, False),
        pytest.param(["lag_columns.periods=2"], 4, True, marks=SLOW),
        pytest.param([], 2, True, marks=SLOW),
        (["rows"], 4, True),
    ],
    ids=["same", "parameter", "parts", "rows"],
)
def test_parts_of_a_run_that_failed_are_used_for_the_same_work_only(
    failed: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    words: list[str],
    n_parts: int,
    is_other: bool,
) -> None:
    caplog.set_level("DEBUG")
    small = shutil.copytree(failed, tmp_path / "project")
    if words == ["rows"]:
        spoil(small, "2017,663,A,4,2,B,Moderate,M,Medical,9,4.0,3.0,2.0,1.0")
        words = []
    make(small, *words, f"engine.partitions={n_parts}")
    rounds = [(1, 2), *((number, n_parts) for number in (2, 3, 4))]
    assert rounds_of(caplog) == rounds * is_other


@SLOW
@pytest.mark.parametrize("change", ["key", "stage", "published stage", "file"])
def test_parts_do_not_outlive_a_change_of_what_they_are_called_or_sorted_by(
    small: Path, another: Another, change: str
) -> None:
    if change == "file":
        spoil(small, "2017,1,A,53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,1.0")
    words = ["engine.partitions=2"]
    with pytest.raises(ContractError):
        make(small, *words, "checks.features.rows.exact=1")
    pipeline = small / "configs" / "pipeline.yaml"
    text = pipeline.read_text()
    match change:
        case "key":
            key = "stages.drop_non_lag_columns.key"
            words += [f"{key}=[apr_drg_code, year, facility_id]"]
        case "stage":
            text = text.replace("agg_severities:", "groups:")
        case "published stage":
            text = text.replace("drop_non_lag_columns:", "last:")
        case _:
            (small / "data" / "b.csv").rename(small / "data" / "c.csv")
    pipeline.write_text(text)
    expected = make(another(), *words[1:], "engine.partitions=1")
    require_equal(make(small, *words), expected)


def test_damaged_parts_are_computed_again(
    failed: Path, tmp_path: Path, whole: Made, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    words, failing = "engine.partitions=4", "checks.features.rows.exact=1"
    small = shutil.copytree(failed, tmp_path / "project")
    [folder] = open_store(small).parts.iterdir()
    rounds_of(caplog)
    (folder / "round-1" / "00003" / "done.json").write_text("{")
    spoil_byte(folder / "round-1" / "00001" / "done.json")
    [spill] = folder.glob("round-2/00000/*/spill-*.arrow")
    spill.unlink()
    [spill] = folder.glob("round-2/00002/*/spill-*.arrow")
    spoil_byte(spill)
    snapshot, *_ = folder.glob("round-3/00001/*/snapshot-*.arrow")
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    (folder / "values.arrow").write_bytes(b"")
    with pytest.raises(ContractError):
        make(small, words, failing)
    assert rounds_of(caplog) == [(2, 2), (3, 2), (4, 1)]
    for file in folder.glob("round-3/*/*/snapshot-*.arrow"):
        spoil_byte(file)
    spoil_byte(folder / "values.arrow")
    require_equal(make(small, words), whole)
    assert rounds_of(caplog) == [(4, 4)]


def spoil_byte(file: Path) -> None:
    """Change a byte in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x55
    file.write_bytes(content)


@pytest.mark.slow
def test_projects_that_share_a_folder_leave_each_other_alone(
    small: Path, another: Another, tmp_path: Path
) -> None:
    words = ("engine.partitions=3", f"engine.folder={tmp_path}/shared")
    failing = "checks.features.rows.exact=1"
    projects = [small, another()]
    for project in projects:
        with pytest.raises(ContractError):
            make(project, *words, failing)
    [[mine], [theirs]] = [left_parts(open_store(project)) for project in projects]
    assert mine != theirs
    make(small, *words)
    assert not Path(mine).exists()
    assert (Path(theirs) / "round-3").is_dir()


@pytest.fixture
def no_bucket(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A store that has no bucket."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield
        server.shutdown()


@pytest.mark.usefixtures("no_bucket")
@pytest.mark.slow
def test_folder_of_parts_that_cannot_be_written_is_named_before_any_work(
    small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store = open_store(small)
    store.folder.mkdir()
    store.parts.write_text("a file")
    file = small / "data" / "a.csv"
    for folder, fault in (
        ("null", "File exists|Not a directory"),
        (str(file), "Not a directory"),
        ("/proc/here", "No such file"),
        ("s3://bucket/jobs", "(?i)no.*bucket|not found"),
        ("s3://a bucket/jobs", "cannot be written"),
    ):
        with pytest.raises(SnapshotError, match=fault) as caught:
            make(small, "engine.partitions=3", f"engine.folder={folder}")
        place = store.parts if folder == "null" else folder
        name = "the parts' folder" if folder == "null" else "engine.folder"
        assert str(caught.value).startswith(f"{name}: {place}/")
        assert "\nhint: make it writable; engine.folder=" in str(caught.value)
        assert rounds_of(caplog) == []
        assert left_parts(store) == []


def test_full_disk_of_parts_is_named_with_what_is_free(
    small: Path, tmp_path: Path
) -> None:
    (full := tmp_path / "full").mkdir()
    with (
        mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)),
        pytest.raises(PipelineError, match="No space left") as caught,
    ):
        make(small, "engine.partitions=3", f"engine.folder={full}/jobs")
    assert re.search(rf"\n0\.\d MB are free at {full}/jobs/[\w-]+\n", str(caught.value))
    assert "hint: nothing was published" in str(caught.value)
    assert "make room, or name another place as engine.folder" in str(caught.value)


def test_memory_too_small_for_one_value_is_one_error_before_any_work(
    small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for words in ([], ["engine.partitions=4"]):
        with pytest.raises(ConfigError, match=r"engine\.memory: 100 MiB") as caught:
            make(small, "engine.memory=100MiB", *words)
        assert "found: facility_id 4815 has 137 rows" in str(caught.value)
        assert "hint: set engine.memory=513MiB or more" in str(caught.value)
    assert rounds_of(caplog) == []
    assert not open_store(small).catalog.exists()


def test_auto_takes_one_pass_unless_the_memory_is_too_small(
    another: Another, whole: Made, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    require_equal(make(root := another()), whole)
    assert rounds_of(caplog) == []
    (open_store(root).parts / "of another run").mkdir(parents=True)
    make(root)  # has nothing to compute, and leaves no parts
    require_equal(make(another(), "engine.memory=513MiB"), whole)
    [first, second, *_] = rounds_of(caplog)
    assert first == (1, 2)
    assert second[1] > 1


def test_pieces_of_many_files_give_what_one_pass_gives(
    small: Path, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = pl.concat(
        pl.read_csv(small / "data" / f"{name}.csv", infer_schema=False)
        for name in ("a", "b")
    )
    for number in range(8):
        some = raw[number * 100 : number * 100 + 100]
        cells = {
            "Mean Cost": "$1,234.50",
            "Discharges": "many" if number == 5 else "7",
        }
        is_last = pl.int_range(pl.len()) == 99
        some.with_columns(
            pl.when(is_last).then(pl.lit(cell)).otherwise(name).alias(name)
            for name, cell in cells.items()
        ).write_csv(small / "data" / f"c{number:02}.csv")
    words = ("source.path=data/c*.csv", "source.max_bad_rows=1")
    expected = make(another(), *words, "engine.partitions=1")
    assert expected.frames["quarantine"].select("file", "line").rows() == [
        ("data/c05.csv", 101)
    ]
    monkeypatch.setattr(csv, "_PIECE", 50_000)
    require_equal(make(small, *words, "engine.partitions=3"), expected)
