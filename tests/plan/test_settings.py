import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.files.local import find_local, find_root
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import run
from pipeline.sources import SourceConfig
from pipeline.sources.csv import CsvSource
from pipeline.sources.json_lines import JsonLinesSource
from tests.conftest import PROJECT


def mistakes(root: Path, *overrides: str, profile: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(root, profile=profile, overrides=overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [("source=csv", "source.path=my.csv"), ("source.path=my.csv", "source=csv")],
)
def test_source_is_chosen_and_changed_in_any_order(overrides: tuple[str, ...]) -> None:
    source = load_settings(PROJECT, overrides=overrides).source
    assert isinstance(source, CsvSource)
    assert source.path == "my.csv"


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("2", "made for a newer version of pipeline: install that, or "),
        ("0", "hint: write `version: 1`, or leave it out"),
        ("one", "hint: write `version: 1`, or leave it out"),
        ("true", "hint: write `version: 1`, or leave it out"),
    ],
)
def test_a_project_of_another_format_is_told_so_alone(
    project: Path, version: str, hint: str
) -> None:
    path = project / "configs" / "pipeline.yaml"
    text = path.read_text()
    path.write_text(f"version: 1\n{text}")
    assert load_settings(project).stages
    path.write_text(f"version: {version}\nentities: [a]\n{text}")
    fault, said = mistakes(project).splitlines()
    assert fault.startswith("configs/pipeline.yaml: version: expected 1, ")
    assert hint in said


LEAST = """
source: {use: csv, path: data.csv}
columns: {shop: label, year: code, sold: number}
stages: {sanitize_column_names: {snapshot: sales, key: [shop, year]}}
"""


def test_a_project_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text(LEAST)
    (tmp_path / "data.csv").write_text("shop,year,sold\na,2015,1.5\n")
    assert run(load_settings(tmp_path)).is_new
    assert load_settings(tmp_path).tree["source"]["max_bad_rows"] == [100, 0.01]
    words = ("source.separator=-", "source.columns.sold=label", "source.wat=1")
    with pytest.raises(ConfigError, match=r"source\.wat: unknown") as e:
        load_settings(tmp_path, overrides=words)
    assert "1 mistake\n" in str(e.value)


def test_a_target_is_not_known_before_its_period(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text(LEAST)
    known = "panel={target: sold, values: [sold, price], known: [price]}"
    assert load_settings(tmp_path, overrides=(known,)).periods.known == ["price"]
    words = (known, "panel.known=[price, sold]")
    with pytest.raises(ConfigError, match="1 mistake\n") as caught:
        load_settings(tmp_path, overrides=words)
    said = "command line: panel.known: 'sold' is `panel.target`, too: what is forecast"
    assert said in str(caught.value)


def test_a_project_changes_a_kind_of_source_by_name(tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    (configs / "sources").mkdir(parents=True)
    (configs / "pipeline.yaml").write_text(LEAST)
    (configs / "sources" / "csv.yaml").write_text("max_bad_rows: 7")
    (configs / "sources" / "tills.yaml").write_text("{kind: json_lines, path: a.jsonl}")
    (configs / "sources" / "odd.yaml").write_text("kind: [csv]")

    def load(*words: str) -> SourceConfig:
        return load_settings(tmp_path, overrides=words).source

    assert load().max_bad_rows == 7
    tills = load("source=tills", "source.path=b.jsonl")
    assert isinstance(tills, JsonLinesSource)
    assert (tills.path, tills.max_bad_rows) == ("b.jsonl", (100, 0.01))
    with pytest.raises(ConfigError, match=r"source\.kind: expected one of csv, "):
        load("source=odd")
    with pytest.raises(ConfigError, match=r"did you mean 'excel'\?") as e:
        load("source=exel")
    assert "\nknown without a file: csv, download, duckdb, excel, " in str(e.value)


def test_transformation_serves_two_stages_under_two_names() -> None:
    overrides = (
        "stages.lag_two={transform: lag_columns, inputs: [lag_columns]}",
        "stages.rolling_columns.inputs=[lag_columns]",
        "lag_two.periods=2",
    )
    stages = {s.name: s for s in load_settings(PROJECT, overrides=overrides).stages}
    assert stages["lag_two"].transform == stages["lag_columns"].transform
    assert stages["lag_two"].config != stages["lag_columns"].config


def write_stages(root: Path, name: str) -> None:
    """Write a project of a stage more than the least."""
    (root / "configs").mkdir()
    text = LEAST.replace("stages: {", f"stages: {{{name}: {{}}, ")
    panel = "panel: {entity: [shop], time: year, values: [sold]}\n"
    (root / "configs" / "pipeline.yaml").write_text(panel + text)


def test_a_transformation_without_its_yaml_says_what_belongs_there(
    tmp_path: Path,
) -> None:
    write_stages(tmp_path, "boost")
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "boost.py").touch()
    with pytest.raises(ConfigError, match=r"(?s)boost\.yaml: no such.*new-transform"):
        load_settings(tmp_path)


def test_figures_of_windows_need_no_stage_of_lags(tmp_path: Path) -> None:
    write_stages(tmp_path, "rolling_columns")
    assert load_settings(tmp_path).shown["rolling_columns"]["by"] == "calendar"
    words = ("rolling_columns.by=row",)
    shown = load_settings(tmp_path, overrides=words).shown
    assert shown["rolling_columns"]["by"] == "row"


def test_profile_takes_a_stage_out(project: Path) -> None:
    profile = project / "configs" / "profiles" / "short.yaml"
    profile.write_text("stages: {facilities: null}\nfacilities: null\n")
    settings = load_settings(project, profile="short")
    assert "facilities" not in [stage.name for stage in settings.stages]


def test_all_mistakes_are_reported_at_once_with_file_path_and_nearest_name(
    project: Path,
) -> None:
    lag = project / "configs" / "transforms" / "lag_columns.yaml"
    lag.parent.mkdir()
    lag.write_text("perods: 3\n")
    message = mistakes(
        project,
        "lag_columns.by=calender",
        "rolling_columns.window=0",
        "agg_severitys.prefix=x",
        "panel.target=${panel.tagret}",
        "columns.Year=codes",
        "stages.drgs.transform=latest_value",
        "source.skip_footer=-1",
    )
    expected = [
        "configs/transforms/lag_columns.yaml: lag_columns.perods: unknown field; "
        "did you mean 'periods'?",
        "command line: lag_columns.by: expected one of calendar, row, found "
        "'calender'; did you mean 'calendar'?",
        "command line: rolling_columns.window: expected int >= 1, found 0",
        "command line: agg_severitys: no such stage or section; did you mean "
        "'agg_severities'?",
        "command line: panel.target: expected the path of a value, found "
        "${panel.tagret}",
        "did you mean 'panel.target'?",
        "command line: columns.Year: expected one of code, count, integer, money, "
        "number, percent, decimal, flag, date, datetime, label, text, found 'codes'; "
        "did you mean 'code'?",
        "command line: stages.drgs: no such transformation, found 'latest_value'; did "
        "you mean 'latest_values'?",
        "command line: source.skip_footer: expected int >= 0, found -1",
    ]
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("lag_columns", "lag_columns: expected dotted.path=value, found no '='"),
        ("lag_columns..periods=2", "found 'lag_columns..periods' as path"),
        ("lag_columns.periods=[", "lag_columns.periods: expected a YAML value"),
        ("lag_columns.periods=[" + "[" * 3000, "found: nested too deep"),
        ("lag_columns.periods=010", "a list of such, found '010'"),
        ("lag_columns.periods=1_0", "a list of such, found '1_0'"),
        ("panel.x=${oc.env:", "panel.x: expected a YAML value, found: "),
        ("columns.Year=1", "expected one of code, count, integer, money"),
        ("lag_columns.periods=two", "a list of such, found 'two'"),
        ("lag_columns=[1]", "command line: does not fit the layers before it"),
        ("lag_columns=[1]", "found: lag_columns: "),
        ("lag_columns=3", "lag_columns: expected a mapping, found 3"),
        (
            "lag_columns={}",
            "command line: lag_columns: expected keys and values, found {}, which takes"
            " out none of those in pipeline/transforms/lag_columns.yaml",
        ),
        ("panel=time", "command line: panel: expected object | null, found 'time'"),
        ("checks=3", "command line: checks: expected object | null, found 3"),
        ("agg_severities.keys=[]", "expected array of length >= 1, found []"),
        ("agg_severities.codes=[1, x]", "codes[1]: expected int, found 'x'"),
        (
            "rolling_columns.min_samples=3",
            "expected min_samples <= window, found 3 > 2",
        ),
        ("stages.facilities.key=[]", "expected a snapshot and the key that sorts it"),
        ("stages.facilities.snapshot=drgs", "'drgs' names the output of stage 'drgs'"),
        ("stages.facilities.snapshot=quarantine", "names the rows set aside already"),
        ("stages.facilities.snapshot=meta", "'meta' names a schema of the catalog"),
        (
            "stages.facilities.snapshot=previous",
            "names a schema of the catalog",
        ),
        (
            "stages.facilities.snapshot=a/b",
            "expected a name of lower case letters, digits and underscores",
        ),
        ("stages.drgs.inputs=[features]", "expected a stage above or 'source'"),
        ("stages.drgs.inputs=[source, source]", "expected 1 input, found 2"),
        ("stages.difference={}", "difference.minuend: a value is required, found none"),
        (
            "source.zz=x",
            "source.zz: unknown field; known fields: columns, rename",
        ),
        ("source.kind=foo", "source.kind: expected one of csv, parquet, "),
        (
            "engine.partitions=abc",
            "command line: engine.partitions: expected a number from 1 to 9999, or"
            " auto, found 'abc'",
        ),
        ("engine.partitions=0", "a number from 1 to 9999, or auto, found 0"),
        (
            "engine.memory=1GB",
            "engine.memory: expected a size above 0, such as 700MiB or 6GiB, or null,"
            " found '1GB'",
        ),
        ("engine.memory=0.0GiB", "expected a size above 0, such as 700MiB or 6GiB"),
        ("engine.folder=parts", "engine.folder: expected an absolute path, such as"),
        ("engine.folder=s3://", "or s3://bucket/prefix, or null, found 's3://'"),
    ],
)
def test_a_mistake_says_what_was_expected_and_found(override: str, part: str) -> None:
    assert part in mistakes(PROJECT, override)


@pytest.mark.parametrize(
    "master",
    [
        *("local", "local[4]", "local[*]", "local[4,3]", "local[*, 3]"),
        *("local-cluster[2,1,2048]", "spark://a:7077", "spark://a:7077,b-1.c:7077"),
        *("yarn", "k8s://https://a:443", "k8s://a"),
    ],
)
def test_every_form_of_a_spark_master_is_one(master: str) -> None:
    settings = load_settings(PROJECT, overrides=(f"engine.master='{master}'",))
    assert settings.engine.master == master


@pytest.mark.parametrize(
    "master",
    [
        *("nothing", "", "local[]", "local[0]", "local[a]", "localhost", "local[2"),
        *("local-cluster[2,1]", "spark://a", "spark://", "spark://a:7077,b", "a:7077"),
        *("sparkle://a:7077", "yarn-client", "k8s://"),
    ],
)
def test_what_is_no_spark_master_is_refused(master: str) -> None:
    message = mistakes(PROJECT, f"engine.master='{master}'")
    assert "command line: engine.master: expected a Spark master, such as" in message
    assert message.splitlines()[1].endswith(f"k8s://https://host, found {master!r}")


def test_settings_of_spark_are_numbers_too_but_not_the_master() -> None:
    words = "engine.spark={spark.executor.cores: 2, spark.ui.enabled: true}"
    found = load_settings(PROJECT, overrides=(words,)).engine.spark
    assert found == {"spark.executor.cores": 2, "spark.ui.enabled": True}
    message = mistakes(PROJECT, "engine.spark={spark.master: yarn}")
    assert "expected engine.master instead of spark.master" in message


def test_the_address_of_a_shared_store_holds_no_credentials() -> None:
    for uri in ("s3://bucket/x?secret_key=a", "s3://id:a@bucket/x", "s3://"):
        assert "or s3://bucket/prefix" in mistakes(PROJECT, f"store.remote={uri}")
    load_settings(PROJECT, overrides=("store.remote=s3://bucket/a@b/c",))


def test_two_columns_of_a_file_are_not_made_one() -> None:
    message = mistakes(PROJECT, "source=csv", "source.rename={A: Year, B: Year}")
    assert "expected rename to give each name once, found twice: ['Year']" in message


@pytest.mark.parametrize(
    ("name", "said"), [(b"a\\b", "hold a backslash"), (b"a\xff", "to be UTF-8")]
)
def test_a_folder_that_libraries_would_misread_is_refused(
    tmp_path: Path, name: bytes, said: str
) -> None:
    root = tmp_path / os.fsdecode(name)
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "pipeline.yaml").touch()
    with pytest.raises(ConfigError, match=said):
        find_root(root)
    (root / "x.csv").touch()
    for path in (f"{root.name}/x.csv", f"{root.name[:1]}*/x.csv"):
        with pytest.raises(SourceError, match=said):
            find_local(path, tmp_path)


def test_root_is_found_from_a_folder_below(project: Path, tmp_path: Path) -> None:
    assert find_root(project / "configs" / "profiles") == project
    with pytest.raises(ConfigError, match="no project here"):
        find_root(Path(tmp_path.anchor))


def test_stages_that_are_said_to_be_missing_hide_no_other_mistake(
    golden_settings: Callable[..., Settings],
) -> None:
    with pytest.raises(ConfigError, match=r"checks\.features\.key: expected bool"):
        golden_settings("stages=???", "checks.features.key=5")
