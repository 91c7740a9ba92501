"""Whatever words the command line is given, it answers in words."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.commands.cli import main
from tests.conftest import make_project

# Not `ui`, which becomes a server, and not `data`, which makes a million rows.
COMMANDS = [name for name in main.commands if name not in ("ui", "data")]
OPTIONS = sorted(
    {
        option
        for command in (main, *main.commands.values())
        for param in command.params
        if isinstance(param, click.Option)
        for option in param.opts
    }
)
NAMES = [
    *("lag_columns", "features", "drgs", "quarantine", "predictions", "ridge", "ci"),
    *("origin", "latest", "previous", "-1", "costliest_drgs", "features.year", "csv"),
    *("table", "json", "parquet", "markdown", "text", "mermaid", "trials=1", "source"),
    *("year=2016", "n_rows=x", "source.Mean Cost", "show tables", "-- why", "", " "),
    *("from features limit 1", "select 1/0", "select '", "explain from drgs", ";"),
    *("out.csv", "no/such/out.csv", "configs", "data/raw.csv", "out", "-", "="),
]
PATHS = [
    *("source", "source.path", "source.rename", "columns", "columns.Year", "stages"),
    *("lag_columns.periods", "lag_columns", "panel.time", "panel.values", "a", "a.b"),
    *("stages.drgs.snapshot", "stages.drgs.key", "engine.memory", "engine.folder"),
    *("engine.spark", "checks.features.rows", "modeling.slices", "history.runs"),
    *("engine.partitions", "drop_rare_drgs.min_total", "stages.drgs.inputs"),
    *("source.max_bad_rows", "checks.drgs.columns", "modeling.split.test"),
    *("stages.a[b]", "models.ridge.params"),
]
VALUES = [
    *("1", "-1", "0", "1e400", "9" * 30, "010", "no", "true", "null", "~", "", "[]"),
    *("{}", "[1, 2]", "{a: 1}", "[[[[", "{a: [", "'x", '"\\ud800"', "${", "${a}", ".."),
    *("${oc.env:X}", "${oc.env:HOME}/x", "${oc.decode:[}", "${a.${b}}", "???", "csv"),
    *("data/*.csv", "data/raw.csv", "data/raw #1.csv", "s3://", "*", "&a [*a]", "!x"),
    *("features", "year", "[year]", "[year, year]", "text", "code", "1GiB", '"a\\0b"'),
    *("parquet", "/", "[" * 3000),
]


@st.composite
def typos(draw: st.DrawFn, words: list[str]) -> str:
    """Spoil a word by one letter."""
    word = draw(st.sampled_from(words))
    at = draw(st.integers(0, len(word)))
    letter = draw(st.sampled_from(["", *"aX0-. ='"]))
    return word[:at] + letter + word[at + 1 :]


# Without a slash, as a command may write where a path leads; no line holds a null byte.
ODD = st.lists(st.sampled_from(sorted({*range(1, 256)} - {ord("/")})), max_size=6).map(
    lambda codes: os.fsdecode(bytes(codes))
)
WORDS = st.one_of(
    st.sampled_from(OPTIONS),
    st.sampled_from(NAMES),
    st.builds("{}={}".format, st.sampled_from(PATHS), st.sampled_from(VALUES)),
    typos([*OPTIONS, *NAMES, *PATHS]),
    ODD,
    st.builds("{}={}".format, st.sampled_from(PATHS), ODD),
)
LINES = st.builds(
    lambda flags, command, words: [*flags, command, *words],
    st.lists(st.sampled_from(["--quiet", "--verbose", "-h"]), max_size=1),
    st.one_of(st.sampled_from(COMMANDS), typos(COMMANDS)),
    st.lists(WORDS, min_size=1, max_size=4),  # `pipeline` alone takes its time
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of few rows, published."""
    root = make_project(tmp_path_factory.mktemp("words"), n_rows=300)
    pipeline = root / "configs" / "pipeline.yaml"
    use = "source: {use: csv, path: data/raw.csv}"
    text = pipeline.read_text().replace("source: csv", use)
    pipeline.write_text(text.replace("min_total: 555", "min_total: 1"))
    result = answer(root, ["run"])
    assert result.exit_code == 0, result.output
    return root


def answer(root: Path, words: list[str]) -> Result:
    """Give words to the command line in a project's folder."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return CliRunner().invoke(main, words)
    finally:
        os.chdir(before)


def check_answer(root: Path, words: list[str]) -> None:
    """Hold an answer to words that somebody has foreseen."""
    result = answer(root, words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert "error: unexpected" not in result.stderr, result.stderr
    assert result.exit_code == 0 or result.output.strip()


def tries(n: int) -> settings:
    """Try so many lines, the same ones each time."""
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )


@given(LINES)
@tries(60)
def test_any_words_are_answered_in_words(small: Path, words: list[str]) -> None:
    check_answer(small, words)


@pytest.mark.slow
@given(LINES)
@tries(10_000)
def test_ten_thousand_lines_are_answered_in_words(
    small: Path, words: list[str]
) -> None:
    check_answer(small, words)
