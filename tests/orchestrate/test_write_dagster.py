"""What is written for Dagster, materialized by Dagster in one process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.orchestrate.tasks import tasks_of
from tests.orchestrate.conftest import call_in, fail_once

pytestmark = pytest.mark.slow

MATERIALIZE = """
import json, sys
sys.path.insert(0, ".")
from dagster_defs import defs
result = defs.resolve_job_def("shops").execute_in_process(raise_on_error=False)
made = {
    event.asset_key.to_user_string(): {
        name: [record.data for record in value.records]
        if hasattr(value, "records") else value.value
        for name, value in event.materialization.metadata.items()
    }
    for event in result.get_asset_materialization_events()
}
tried = [event.step_key for event in result.all_events if event.is_step_restarted]
json.dump({"made": made, "tried": tried}, open("result.json", "w"))
"""


@pytest.fixture(scope="module")
def dagster(tool: Callable[[str], Path]) -> Path:
    return tool("dagster==1.13.29") / "python"


def materialize(root: Path, dagster: Path) -> tuple[dict[str, Any], list[str], str]:
    """Give the metadata of assets that were made, what was tried again, and the log."""
    said = call_in(root, dagster, "-c", MATERIALIZE, DAGSTER_DISABLE_TELEMETRY="1")
    assert said.returncode == 0, said.stdout
    result = json.loads((root / "result.json").read_text())
    return result["made"], result["tried"], said.stdout


def test_an_asset_that_fails_is_tried_again_and_all_goes_on_behind_it(
    shop: Path, dagster: Path
) -> None:
    words = ("orchestrate.retries=1", "orchestrate.retry_delay_s=1")
    assert not call_in(shop, "pipeline", "orchestrate", "dagster", *words).returncode
    fail_once(shop)
    made, [failed], said = materialize(shop, dagster)
    assert f"{failed}: exit code 1: error: " in said
    assert made.keys() == {task.name for task in tasks_of(shop).tasks}
    counted = ("sql", "--format", "csv", "select count(*) as n from features")
    n_rows = int(call_in(shop, "pipeline", *counted).stdout.split()[1])
    assert made["run"]["rows_features"] == n_rows
    assert {check["n_failures"] for check in made["run"]["checks"]} == {0}
    figures = {(f["snapshot"], f["column_name"]): f for f in made["run"]["profile"]}
    assert figures["sales", "year"]["max"] == "2015"
    assert made["train_ridge"]["valid"]["mae"] > 0
    assert made["forecast"]["rows"] == 20


def test_a_wrong_configuration_is_not_tried_again(shop: Path, dagster: Path) -> None:
    words = ("orchestrate.retries=3", "orchestrate.retry_delay_s=600")
    assert not call_in(shop, "pipeline", "orchestrate", "dagster", *words).returncode
    config = shop / "configs" / "pipeline.yaml"
    config.write_text(config.read_text().replace("lag_columns: {}", "lag_colums: {}"))
    made, tried, said = materialize(shop, dagster)
    assert (made, tried) == ({}, [])
    assert "run: exit code 2: error: configuration: 1 mistake" in said
