from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.plan.notify import Notify, load_notify
from pipeline.plan.settings import load_settings
from tests.conftest import LEAN, make_project

MAIL = "mail -s 'it failed' $WHOM"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that tells of failures, and by night of successes."""
    root = make_project(tmp_path, 0, of=LEAN)
    with (root / "configs" / "pipeline.yaml").open("a") as file:
        file.write(f'notify: {{failure: "{MAIL}"}}\n')
    (root / "configs" / "profiles").mkdir()
    night = root / "configs" / "profiles" / "night.yaml"
    night.write_text("notify: {success: ping, limit_s: 5}\n")
    return root


def test_a_run_has_what_is_read_alone(root: Path) -> None:
    words = ("notify.warning=${oc.env:HOME}",)
    alone = load_notify(root, "night", words)
    settings = load_settings(root, profile="night", overrides=words)
    assert alone == settings.notify
    assert (alone.failure, alone.success, alone.limit_s) == (MAIL, "ping", 5)
    assert alone.warning
    assert settings.shown["notify"]["warning"] == "${oc.env:HOME}"


def test_it_is_read_where_other_sections_are_wrong(root: Path) -> None:
    with (root / "configs" / "pipeline.yaml").open("a") as file:
        file.write("nosuch: {a: 1}\ndocs: 3\n")
    assert load_notify(root, None, ()) == Notify(failure=MAIL)


def test_what_is_no_command_is_refused_by_a_run(root: Path) -> None:
    for word, said in (
        ("notify.failure=[a]", "notify.failure: expected a command of the shell"),
        ("notify.sucess=x", "unknown field; did you mean 'success'?"),
        ("notify.limit_s=0", "notify.limit_s: expected int >= 1, found 0"),
    ):
        with pytest.raises(ConfigError) as error:
            load_settings(root, overrides=(word,))
        assert said in str(error.value)
