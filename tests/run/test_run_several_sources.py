"""A project of several sources: each is read, known and judged by itself."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SchemaError, SourceError
from pipeline.lineage.openlineage import to_openlineage
from pipeline.lineage.show import describe_column
from pipeline.plan.settings import Settings, load_settings
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from pipeline.run.outline import describe, outline_of
from pipeline.run.run import RunReport, check, run
from pipeline.run.start import start
from tests.run.conftest import query

WORDS = ("source.path=data/raw.csv",)
SOURCES = """
sources:
  prices:
    use: csv
    path: data/prices.csv
    columns: {year: code, price: number}
    max_bad_rows: 1
"""
STAGE = """
  with_prices:
    transform: join
    inputs: [lag_columns, prices]
    snapshot: priced
    key:
    - year
    - facility_id
    - apr_drg_code
    - apr_severity_of_illness_code
    - apr_medical_surgical_code
"""
SECTION = "with_prices: {keys: [year], columns: [price]}\n"


@pytest.fixture
def priced(project: Path) -> Path:
    """A project that joins prices to its features."""
    file = project / "configs" / "pipeline.yaml"
    text = file.read_text()
    at = text.index("drop_rare_drgs: {category")
    file.write_text(text[:at].rstrip() + STAGE + SECTION + text[at:] + SOURCES)
    write(project, *range(2009, 2018))
    return project


def write(project: Path, *years: object, price: float = 1.5) -> None:
    """Write a price of each year."""
    rows = [f"{year},{price}\n" for year in years]
    (project / "data" / "prices.csv").write_text("year,price\n" + "".join(rows))


def load(project: Path, *words: str) -> Settings:
    return load_settings(project, overrides=(*WORDS, *words))


def computed(report: RunReport) -> set[str]:
    return {s.name for s in report.run.snapshots if s.state == "computed"}


def test_rows_of_both_are_joined_and_each_restales_what_is_made_of_it(
    priced: Path, run_once: tuple[Path, RunReport]
) -> None:
    first = run(load(priced))
    features = query(run_once[0], "from features order by all")
    assert query(priced, "from features order by all") == features
    assert query(priced, "select distinct price from priced") == [(1.5,)]
    assert [file.stat.path for file in first.files] == [
        "data/raw.csv",
        "data/prices.csv",
    ]
    assert not run(load(priced)).is_new

    write(priced, *range(2009, 2018), price=2.5)
    second = run(load(priced))
    assert computed(second) == {"priced", "quarantine"}
    [changed] = [s for s in second.run.snapshots if s.name == "priced"]
    assert changed.reasons == ["source: data/prices.csv changed"]
    assert query(priced, "select distinct price from priced") == [(2.5,)]


def test_nothing_to_do_is_seen_without_reading_and_a_change_of_any_file_is(
    priced: Path, later: Callable[[], None]
) -> None:
    later()
    first = start(priced, None, WORDS)
    assert isinstance(first, RunReport)
    assert start(priced, None, WORDS) == first.run.run_id
    write(priced, *range(2009, 2017))
    assert isinstance(start(priced, None, WORDS), RunReport)


def test_bad_rows_are_set_aside_and_counted_by_source(priced: Path) -> None:
    raw = priced / "data" / "raw.csv"
    lines = raw.read_text().splitlines(keepends=True)
    lines[1] = "x" + lines[1]
    raw.write_text("".join(lines))
    write(priced, *range(2009, 2018), "n/a")
    report = run(load(priced))
    assert report.run.n_bad_rows == 2
    cells = query(priced, 'select source, file, line, "column" from quarantine')
    assert cells == [
        ("source", "data/raw.csv", 2, "Year"),
        ("prices", "data/prices.csv", 11, "year"),
    ]
    write(priced, *range(2009, 2018), "n/a", "x")
    with pytest.raises(SourceError, match=r"^2 bad rows, expected at most 1;") as e:
        run(load(priced))
    assert str(e.value).endswith("stand under sources.prices, not source")


def test_source_that_is_gone_is_an_error_and_the_plan_says_so(priced: Path) -> None:
    (priced / "data" / "prices.csv").unlink()
    said = describe_freshness(load(priced), Selection())
    assert "never computed" in said
    with pytest.raises(SourceError, match=r"prices\.csv: no such file"):
        run(load(priced))


def test_a_column_that_one_input_lacks_is_said_of_it_and_not_of_the_panel(
    priced: Path,
) -> None:
    words = ("with_prices.keys=[city]", "sources.prices.columns.city=label")
    with pytest.raises(SchemaError) as caught:
        check(load(priced, "panel.known=[city]", *words))
    first, ours, theirs, hint = str(caught.value).splitlines()
    assert first.endswith('"city", which is not in lag_columns')
    assert ours.startswith("found in lag_columns: year, facility_id, ")
    assert theirs == "found in prices: year, price, city"
    assert hint.endswith(" and 'with_prices' in configs/pipeline.yaml")


def test_plan_shows_each_source(priced: Path) -> None:
    said = describe(outline_of(load(priced), check(load(priced)))).splitlines()
    at = said.index("prices: csv")
    assert said[at + 1 : at + 3] == ["    Int32: year", "    Float64: price"]
    assert "with_prices (join) <- lag_columns, prices  => snapshot priced" in said


def test_parts_are_refused_only_where_another_source_is_read(priced: Path) -> None:
    parts = ("engine.partitions=3",)
    with pytest.raises(ConfigError, match="computed in one pass\nfound: prices\n"):
        run(load(priced, *parts))
    run(load(priced, *parts), Selection(to="features"))
    with pytest.raises(ConfigError, match="computed in one pass"):
        describe_freshness(load(priced, *parts), Selection())


def test_lineage_leads_back_to_each_source(priced: Path) -> None:
    lineage = check(load(priced)).lineage()
    assert "priced.price <- prices.price\n" in describe_column(lineage, "priced.price")
    assert describe_column(lineage, "prices.price")
    [dataset] = [d for d in to_openlineage(lineage, {}) if d["name"] == "priced"]
    fields = dataset["facets"]["columnLineage"]["fields"]
    assert [f["name"] for f in fields["price"]["inputFields"]] == ["prices"]
    assert {f["name"] for f in fields["mean_cost"]["inputFields"]} == {"source"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("prices:", "drgs:"), "sources.drgs: a stage or a section has this name"),
        (("prices:", "Prices:"), "expected a name of lower case letters"),
        (("use: csv", "use: cvs"), "did you mean 'csv'"),
        (("price: number", "price: nomber"), "sources.prices.columns"),
        (("lag_columns, prices", "lag_columns, price"), "found 'price'"),
    ],
    ids=str,
)
def test_mistakes_are_named(
    change: tuple[str, str], expected: str, priced: Path
) -> None:
    file = priced / "configs" / "pipeline.yaml"
    before, _, after = file.read_text().partition(SOURCES)
    file.write_text(before.replace(*change) + SOURCES.replace(*change) + after)
    with pytest.raises(ConfigError) as error:
        load(priced)
    assert expected in str(error.value)


def test_records_hold_the_settings_of_all(priced: Path) -> None:
    report = run(load(priced))
    assert json.dumps(report.run.config["sources"]).count("prices.csv") == 1


def test_a_file_that_two_sources_read_is_judged_for_each(priced: Path) -> None:
    file = priced / "configs" / "pipeline.yaml"
    again = SOURCES.replace("prices:", "again:").replace("sources:\n", "")
    file.write_text(file.read_text() + again.replace("price: number", "price: code"))
    write(priced, *range(2009, 2018))
    with (priced / "data" / "prices.csv").open("a") as prices:
        prices.write("2018,2\n")
    with pytest.raises(SourceError, match=r"^9 bad rows, expected at most 1") as e:
        run(load(priced))
    assert str(e.value).endswith("stand under sources.again, not source")
    report = run(load(priced, "sources.again.max_bad_rows=9"))
    assert report.run.n_bad_rows == 9
    assert query(priced, "select distinct source, file from quarantine") == [
        ("again", "data/prices.csv")
    ]
