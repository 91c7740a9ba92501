from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pipeline.config import Layer
from pipeline.errors import MASK, SnapshotError
from pipeline.lineage.graph import Edge
from pipeline.pages.facts import Facts, purpose_of, read_facts
from pipeline.plan.compose import compose_declared
from tests.conftest import make_project


def test_lineage_is_that_of_the_plan(facts: Facts) -> None:
    assert facts.settings
    expected = compose_declared(facts.settings).lineage()
    assert facts.lineage.edges == expected.edges
    assert facts.lineage.source == expected.source
    assert isinstance(facts.lineage.edges[0], Edge)


def test_what_a_run_took_comes_of_its_log(facts: Facts) -> None:
    assert all((facts.peak_mib(run) or 0) > 10 for run in facts.runs)


def test_settings_say_where_they_come_from(facts: Facts) -> None:
    values = {of.name: of for of in facts.values("lag_columns")}
    columns, keys = values["columns"], values["keys"]
    assert columns.value == ["mean_cost", "mean_charge"]
    assert columns.file == "configs/pipeline.yaml"
    assert not columns.is_default
    assert (keys.written, keys.default) == ("${panel.key}", "${panel.entity}")
    assert len(keys.value) == 4
    assert values["periods"].file == "pipeline/transforms/lag_columns.yaml"
    assert values["periods"].is_default


def test_code_is_that_of_the_transformation(facts: Facts) -> None:
    code = facts.codes["lag_columns"]
    assert "def lag_columns(" in code.text
    assert code.purpose
    assert not code.is_changed


@pytest.mark.parametrize("text", ["def f(:", "x = 1", ""])
def test_code_without_words_has_no_purpose(text: str) -> None:
    assert purpose_of(text, "f") == ""


def test_a_broken_configuration_leaves_what_runs_recorded(
    seen: Path, tmp_path: Path
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text("stages: [broken")
    (tmp_path / ".pipeline").symlink_to(seen / ".pipeline")
    facts = read_facts(tmp_path)
    assert "pipeline.yaml" in facts.fault
    assert facts.settings is None
    assert facts.lineage.snapshots["features"] == "lag_columns"


def test_without_a_run_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="just run"):
        read_facts(make_project(tmp_path, 2))


def test_a_credential_among_settings_is_not_shown(facts: Facts) -> None:
    assert facts.settings
    secret = Layer("configs/pipeline.yaml", {"lag_columns": {"password": "dragon"}})
    [*layers] = facts.settings.layers
    settings = replace(facts.settings, layers=(*layers, secret))
    [record] = [s for s in facts.run.stages if s.name == "lag_columns"]
    stage = msgspec.structs.replace(record, config={"password": MASK})
    run = msgspec.structs.replace(facts.run, stages=[stage])
    [value] = replace(facts, settings=settings, runs=[run]).values("lag_columns")
    assert value.file == "configs/pipeline.yaml"
    assert "dragon" not in str(value)
