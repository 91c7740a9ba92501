"""What is written for Prefect, run by Prefect and its ephemeral server."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.orchestrate.tasks import tasks_of
from tests.orchestrate.conftest import Said, call_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prefect(tool: Callable[[str], Path]) -> Path:
    return tool("prefect==3.9.1") / "python"


def flow(root: Path, prefect: Path) -> Said:
    variables = {
        "PREFECT_HOME": str(root / "home"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    }
    return call_in(root, prefect, "prefect_flow.py", **variables)


def ended(said: Said, state: str) -> set[str]:
    """Name the tasks that ended so."""
    found = re.findall(r"Task run '(\w+)' - Finished in state (\w+)", said.stdout)
    return {name for name, how in found if how == state}


def test_a_task_that_failed_is_tried_again_and_then_all_goes_on_behind_it(
    shop: Path, prefect: Path
) -> None:
    words = ("orchestrate.retries=1", "orchestrate.retry_delay_s=1")
    assert not call_in(shop, "pipeline", "orchestrate", "prefect", *words).returncode
    in_the_way = shop / ".pipeline" / "mlflow"
    in_the_way.parent.mkdir()
    in_the_way.touch()
    failed = flow(shop, prefect)
    assert failed.returncode == 1
    assert ended(failed, "Completed") == {"run"}, failed.stdout
    assert ended(failed, "Failed") == {"train_last_value", "tune_ridge"}
    fault = "RuntimeError: train_last_value: exit code 1: error: .*MLflow's store .*"
    assert re.search(fault, failed.stdout)
    assert failed.stdout.count("Retry 1/1") == 2

    in_the_way.unlink()
    whole = flow(shop, prefect)
    assert whole.returncode == 0, whole.stdout
    names = {task.name for task in tasks_of(shop).tasks}
    assert ended(whole, "Completed") == names
    assert re.search("Task run 'run' - .*nothing to do", whole.stdout)
    said = failed.stdout + whole.stdout
    assert said.count("looking whether features know") == 1
    shown = call_in(shop, "pipeline", "sql", "select count(*) from predictions")
    assert "20" in shown.stdout
