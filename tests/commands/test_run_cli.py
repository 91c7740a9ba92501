"""The commands that make a project and run it, as a user types them."""

from pathlib import Path

from tests.commands.conftest import SOURCE, invoke

DICE = {
    "dice.py": """import polars as pl

from pipeline.sources.made import MadeSource


class Config(MadeSource, frozen=True, kw_only=True):
    pass


def dice(config: Config) -> list[pl.DataFrame]:
    return [pl.DataFrame({"eyes": [1, 2]})]
""",
    "dice.yaml": "{kind: dice, columns: {eyes: count}}",
}

SMALL = """
source: {use: csv, path: a.csv}
columns: {year: integer, sold: integer}
stages:
  con: {transform: drop_columns, snapshot: con, key: [year]}
  s2: {transform: drop_columns, snapshot: s2, key: [year]}
con: {suffixes: [x]}
s2: {suffixes: [y]}
"""


def test_run_says_what_was_made_and_what_to_try_next(project: Path) -> None:
    result = invoke(project, "run", *SOURCE)
    assert result.exit_code == 0
    assert "features" in result.output
    assert "20,629 rows" in result.output
    _, _, hints = result.output.partition("next:\n")
    for hint in ("just sql 'from features limit 5' ", "lag_columns.periods=2 "):
        assert hint in hints


def test_hints_name_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text(SMALL)
    (tmp_path / "a.csv").write_text("year,sold\n2015,1\n2016,2\n")
    result = invoke(tmp_path, "run")
    assert result.exit_code == 0, result.output
    _, _, hints = result.output.partition("next:\n")
    assert "'from s2 limit 5'" in hints
    assert "features" not in hints
    assert "lag_columns" not in hints


def test_plan_and_config_need_no_data(project: Path) -> None:
    plan = invoke(project, "plan", "source=csv", "source.path=absent.csv")
    assert "=> snapshot features" in plan.output
    config = invoke(project, "config", "lag_columns.periods=2", "--profile", "origin")
    assert "periods: 2" in config.output
    assert "min_total: 5000" in config.output
    # That of the models is resolved and checked, too.
    assert "\nmodeling:\n  name: " in config.output
    assert "\nmodels:\n  last_value:\n    kind: known_value\n" in config.output
    wrong = invoke(project, "config", "modeling.seeed=3")
    assert "modeling.seeed: unknown field; did you mean 'seed'?" in wrong.stderr
    assert not (project / ".pipeline").exists()


def test_optimized_plan_is_polars_own(published: Path) -> None:
    result = invoke(published, "plan", "--optimized", *SOURCE)
    assert "SINK_MULTIPLE" in result.output
    assert "AGGREGATE" in result.output


def test_data_makes_what_is_not_there(project: Path) -> None:
    there = invoke(project, "data", "path=data/raw.csv")
    assert there.exit_code == 0, there.output
    assert there.stdout.startswith("data/raw.csv  2.6 MB")
    assert there.stdout.endswith("next:\n  just run source.path=data/raw.csv\n")
    (project / "sources").mkdir()
    for name, text in DICE.items():
        (project / "sources" / name).write_text(text)
    first = invoke(project, "data", "use=dice", "format=parquet")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith(".pipeline/data/made-dice-")
    again = invoke(project, "data", "use=dice", "format=parquet")
    assert again.stderr == ""
    assert again.stdout == first.stdout


def test_init_says_why_and_what_to_try_next(tmp_path: Path) -> None:
    rows = [f"{2000 + t},{u},{(t * 5) % 7}" for u in "ab" for t in range(12)]
    (tmp_path / "sales.csv").write_text("\n".join(["Year,Shop,Sold", *rows]))
    result = invoke(tmp_path, "init", "sales.csv")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[:3] for line in lines[:5]] == [
        ["source", "sales.csv", "sure"],
        ["time", "Year", "likely"],
        ["entity", "Shop", "sure"],
        ["every", "1", "sure"],
        ["target", "Sold", "sure"],
    ]
    assert "wrote configs/pipeline.yaml, configs/columns.yaml, " in result.stdout
    assert invoke(tmp_path, "plan").exit_code == 0
    again = invoke(tmp_path, "init", "sales.csv")
    assert again.exit_code == 2
    assert again.stderr.startswith(
        f"error: {tmp_path}: holds what would be overwritten"
    )


def test_init_in_a_pipe_asks_nothing(tmp_path: Path) -> None:
    rows = [f"{2000 + t},{u},{t * 5 % 7},{t * 3 % 5}" for u in "ab" for t in range(12)]
    (tmp_path / "a=b.csv").write_text("\n".join(["Year,Shop,Sold,Left", *rows]))
    result = invoke(tmp_path, "init", "a=b.csv", stdin="Sold\n")
    assert result.exit_code == 2
    assert (
        "2 columns may be the target\nfound: Sold, Left\nhint: --target"
        in result.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a=b.csv"]
    words = ("--project", "made/here", "init", "a=b.csv", "columns.Sold=number")
    made = invoke(tmp_path, *words, "--target", "Sold", "--every", "1")
    assert made.exit_code == 0, made.output
    text = (tmp_path / "made" / "here" / "configs" / "pipeline.yaml").read_text()
    assert "path: ../../a=b.csv" in text.replace("'", "")
    assert "Sold: number" in text
