"""What gives access is written nowhere."""

from pathlib import Path

import pytest

from pipeline.config import Layer, merge, resolve
from pipeline.errors import mask_tree, masked, n_of, nearest
from tests.commands.test_cli import SOURCE, invoke

SECRET = "Tr0ub4dor-and-3"


def test_what_differs_in_case_only_is_the_nearest() -> None:
    known = ["Median Cost", "Mean Cost"]
    assert nearest("Mean cost", known) == "; did you mean 'Mean Cost'?"
    assert nearest("MEAN COST", known) == "; did you mean 'Mean Cost'?"
    assert nearest("Severity", known) == ""


def test_a_value_of_the_environment_is_shown_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", SECRET)
    tree = {
        "a": "x/${oc.env:TOKEN_OF_TEST}/y",
        "b": "${a}",
        "c": ["${oc.env:TOKEN_OF_TEST}", 1],
        "d": "${oc.decode:${oc.env:NO_SUCH_OF_TEST,7}}",
        "e": {"f": "${ oc.env:TOKEN_OF_TEST }", "g": "plain", "password": 1234567},
    }
    found = resolve(merge([Layer("a", tree)]), [Layer("a", tree)])
    assert found.tree["b"] == f"x/{SECRET}/y"
    assert found.tree["d"] == 7
    assert found.shown == tree | {"e": {**tree["e"], "password": "***"}}
    assert masked("no 1234567 of them") == "no *** of them"
    assert found.environment == {"TOKEN_OF_TEST", "NO_SUCH_OF_TEST"}
    assert masked(f"no file x/{SECRET}/y") == "no file ${a}"
    address = "cannot open https://me:abc@host/x?access_token=def&a=1"
    assert masked(address) == "cannot open https://***@host/x?access_token=***&a=1"
    assert masked(f"open('{SECRET}')") == "open('${ oc.env:TOKEN_OF_TEST }')"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        *(("spark.hadoop.fs.s3a.secret.key", "abc", "***"), ("api_key", "abc", "***")),
        *(("db_password", "abc", "***"), ("AccessKeyId", "abc", "***")),
        *(("password", 1234, "***"), ("token", 1.5, "***"), ("token", True, True)),
        *(("max_tokens", 500, 500), ("password_length", 8, 8)),
        *(("key", "abc", "abc"), ("keep", "abc", "abc"), ("api_key", None, None)),
        ("url", "https://me:abc@host/x?a=1", "https://***@host/x?a=1"),
        ("url", "https://host/x?token=abc&b=2", "https://host/x?token=***&b=2"),
    ],
)
def test_credentials_are_masked_by_their_name_and_in_urls(
    name: str, value: object, shown: object
) -> None:
    assert mask_tree({"engine": {name: value}}) == {"engine": {name: shown}}
    assert mask_tree({"columns": {name: "code"}}) == {"columns": {name: "code"}}


def test_a_planted_secret_is_in_nothing_that_is_written_or_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (project / "data" / "raw.csv").read_text().splitlines(keepends=True)
    (project / "data" / "raw.csv").write_text("".join(lines[:501]))
    monkeypatch.setenv("TOKEN_OF_TEST", SECRET)
    words = [
        *SOURCE,
        "panel.note=${oc.env:TOKEN_OF_TEST}",
        f"engine.spark[spark.hadoop.fs.s3a.secret.key]={SECRET}",
        "lag_columns.periods=${oc.decode:${oc.env:PERIODS_OF_TEST}}",
        "drop_rare_drgs.min_total=1",
    ]

    def say(command: str, periods: str) -> str:
        monkeypatch.setenv("PERIODS_OF_TEST", periods)
        return invoke(project, "--verbose", command, *words).output

    said = say("run", "1")
    assert "nothing to do" in say("run", "1")
    another, wrong = say("run", "2"), say("run", SECRET)
    assert " is stale" in another
    reason = "its plan changed, as by the value of PERIODS_OF_TEST, TOKEN_OF_TEST"
    assert reason in say("plan", "3")
    assert "lag_columns.periods: expected a number from 1 to 9999" in wrong
    said += another + wrong + say("plan", "1") + say("config", "1")
    said += invoke(project, "export", "shared.duckdb").output
    said += invoke(project, "sql", "select config from meta.runs").output
    for path in (*project.joinpath(".pipeline").rglob("*"), project / "shared.duckdb"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in said
    assert "${oc.env:TOKEN_OF_TEST}" in said


def test_a_number_of_things_is_one_or_more() -> None:
    assert [n_of(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
