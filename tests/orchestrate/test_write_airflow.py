"""What is written for Airflow, parsed and run by Airflow with a database of SQLite."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.orchestrate.tasks import tasks_of
from tests.orchestrate.conftest import Said, call_in, fail_once

pytestmark = pytest.mark.slow

_ENDED = r"new_state=(success|failed|up_for_retry)\b(?s:.*?)end task task_id=(\w+)"


@pytest.fixture(scope="module")
def program(tool: Callable[[str], Path]) -> Path:
    return tool("apache-airflow==3.3.2") / "airflow"


@pytest.fixture
def airflow(program: Path, shop: Path, tmp_path: Path) -> Callable[..., Said]:
    """Call Airflow, whose folder of DAGs has a link to the project's file."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "shop.py").symlink_to(shop / "airflow_dag.py")

    def call(*words: str) -> Said:
        return call_in(
            shop,
            program,
            *words,
            AIRFLOW_HOME=str(tmp_path / "home"),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__DAGS_FOLDER=str(dags),
            AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
        )

    assert call("db", "migrate").returncode == 0
    return call


def test_a_task_that_fails_is_tried_again_and_all_goes_on_behind_it(
    shop: Path, airflow: Callable[..., Said]
) -> None:
    words = ("orchestrate.retries=1", "orchestrate.retry_delay_s=1")
    assert not call_in(shop, "pipeline", "orchestrate", "airflow", *words).returncode
    assert "No data found" in airflow("dags", "list-import-errors").stdout
    fail_once(shop)
    said = airflow("dags", "test", "shops").stdout
    tries = [(task, how) for how, task in re.findall(_ENDED, said)]
    [(failed, _)] = [each for each in tries if each[1] == "up_for_retry"]
    assert failed in ("train_last_value", "tune_ridge"), said
    assert re.search(rf"AirflowException: {failed}: exit code 1: error: .*MLflow", said)
    succeeded = sorted(task for task, how in tries if how == "success")
    assert succeeded == sorted(task.name for task in tasks_of(shop).tasks)
    # Nothing that was finished before is done again.
    assert len(tries) == len(succeeded) + 1
