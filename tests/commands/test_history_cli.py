"""The commands that look back, as a user types them."""

import json
from pathlib import Path

import duckdb
import pytest

from tests.commands.conftest import SOURCE, invoke
from tests.conftest import LEAN, make_project


def test_history_commands_from_change_to_restore(tmp_path: Path) -> None:
    project = make_project(tmp_path, n_rows=3000, of=LEAN)

    def ran(*args: str, code: int = 0) -> str:
        result = invoke(project, *args)
        assert result.exit_code == code, result.output
        return result.output

    ran("run", *SOURCE)
    assert "nothing to do" in ran("run", *SOURCE)
    assert "nothing to do" in ran("run", "--dry-run", *SOURCE)
    assert "min_total: 20 -> 60" in ran("plan", *SOURCE, "drop_rare_drgs.min_total=60")
    ran("run", *SOURCE, "drop_rare_drgs.min_total=60")

    assert "different" in ran("diff", "features", code=1)
    assert ran("diff", "features", "--format", "markdown", code=1).startswith("###")
    assert json.loads(ran("diff", "features", "--format", "json", code=1))
    assert "equal" in ran("diff", "drgs", "-1", "latest")
    assert "did you mean 'features'" in ran("diff", "feature", code=2)

    assert ran("history").count("computed") == 2
    assert "min_total: 20 -> 60" in ran("history", "features")
    ran("restore", "-1")
    assert "equal" in ran("diff", "features", "-2", "latest")
    assert ran("runs").count("published") == 2
    assert "all objects are whole" in ran("verify")
    assert "to remove" in ran("gc", "--dry-run")
    assert "removed" in ran("gc")
    assert "0 removed" in ran("gc")
    assert "features" in ran("export", "shared.duckdb")
    with duckdb.connect(project / "shared.duckdb", read_only=True) as con:
        assert con.execute("SELECT count(*) FROM features").fetchone() != (0,)


@pytest.mark.slow
def test_a_run_goes_there_and_comes_here(tmp_path: Path) -> None:
    one, other, shared = (tmp_path / name for name in ("one", "other", "shared"))
    for folder in (one, other, shared):
        folder.mkdir()
    for root in (one, other):
        config = make_project(root, n_rows=3000, of=LEAN) / "configs" / "pipeline.yaml"
        config.write_text(f"{config.read_text()}store: {{remote: {shared}}}\n")

    def ran(root: Path, *args: str, code: int = 0) -> str:
        result = invoke(root, *args)
        assert result.exit_code == code, result.output
        return result.output

    assert "there is no store yet" in ran(one, "run", *SOURCE)
    assert "4 objects" in ran(one, "push")
    assert "0 objects" in ran(one, "push", "latest")
    assert "is here now" in ran(other, "pull")
    assert "was here" in ran(other, "pull")
    assert "nothing to do" in ran(other, "run", *SOURCE)
    assert "is not there" in ran(other, "pull", "r20200101_000000_000", code=1)
    assert "0 to remove" in ran(other, "gc", "--remote", "--dry-run")
    (other / "configs" / "pipeline.yaml").write_text(
        (LEAN / "configs" / "pipeline.yaml").read_text()
    )
    assert "store.remote: no store is named" in ran(other, "push", code=1)
