import pytest

from pipeline.errors import ConfigError
from pipeline.plan.settings import load_settings
from tests.conftest import LEAN


def test_what_no_task_can_be_given_is_refused_by_a_run() -> None:
    for word, said in (
        ("orchestrate.retires=1", "unknown field; did you mean 'retries'?"),
        ("orchestrate.tasks.run={timeout_s: 0}", "expected int >= 1, found 0"),
    ):
        with pytest.raises(ConfigError) as error:
            load_settings(LEAN, overrides=(word,))
        assert said in str(error.value)
