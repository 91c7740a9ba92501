from pathlib import Path

from pipeline.files.yaml_core import read_yaml
from tests.init.tables import MONTHS, made, panel


def test_a_project_is_whole(tmp_path: Path) -> None:
    written = made(tmp_path, panel(tmp_path / "sales.csv", MONTHS))
    names = [path.relative_to(tmp_path).as_posix() for path in written.files]
    assert names == [
        "configs/pipeline.yaml",
        "configs/columns.yaml",
        "configs/modeling.yaml",
        "configs/models/lightgbm.yaml",
        "configs/models/last_value.yaml",
        "configs/models/rolling_mean.yaml",
        "configs/models/seasonal_naive.yaml",
        "configs/models/ridge.yaml",
        "configs/checks/sales.yaml",
        "configs/checks/features.yaml",
        "queries/rows_per_period.sql",
        "queries/biggest_movers.sql",
        "queries/forecast.sql",
        "justfile",
    ]
    # A shell in between would keep SIGTERM to itself.
    recipe = '\n# Compute\nrun *args:\n    @exec pipeline run "$@"\n'
    assert (tmp_path / "justfile").read_text().endswith(recipe)


def test_columns_are_listed_to_be_described(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "sales.csv", MONTHS))
    file = tmp_path / "configs" / "columns.yaml"
    assert not read_yaml(file.read_text())
    listed = file.read_text().split("euros}\n")[1].replace("# ", "")
    source = read_yaml((tmp_path / "configs" / "pipeline.yaml").read_text())
    assert [*read_yaml(listed)] == [*source["columns"]]


def test_a_contract_is_what_the_data_show(tmp_path: Path) -> None:
    rows = [
        f"{m},{u},{n % 5},{n % 3 - 1},{'' if n == 4 else n % 2}.5,{u}"
        for u in "ab"
        for n, m in enumerate(MONTHS)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["month,shop,sold,t,price,note", *rows]))
    made(tmp_path, tmp_path / "a.csv", target="sold")
    assert read_yaml((tmp_path / "configs" / "checks" / "a.yaml").read_text()) == {
        "not_null": ["sold"],
        "finite": True,
        "ranges": {"sold": {"min": 0}},
        "rows": {"change": 0.5},
        "warn": ["rows.change"],
    }
