"""Whatever is edited, a run over what was there equals a run from nothing."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT, make_project

N_ROWS = 3000

# Per file, texts and what may stand in their place; the last field: whether any value
# changes. Most keep the file's size, and steps follow each other within a second.
EDITS = {
    "pipeline/transforms/lag_columns.yaml": [("periods: 1", "periods: 2", True)],
    "pipeline/transforms/rolling_columns.yaml": [("window: 2", "window: 3", True)],
    "configs/pipeline.yaml": [
        ("min_total: 20", "min_total: 60", True),
        ("# The pipeline", "# Our pipeline", False),
        # A column of the discharges, of which no feature is made.
        ("\ndrgs: {", "\nspare: {columns: {spare: year + 1}}\ndrgs: {", True),
        ("\ndrgs: {", "\nspare: {columns: {spare: year + 2}}\ndrgs: {", True),
        # One of which some are.
        ("\ndrgs: {", "\nspare: {columns: {mean_cost: year}}\ndrgs: {", True),
    ],
    "pipeline/panel/exact.py": [
        ("float(2**33)", "float(2**17)", True),  # a constant
        ("def from_fixed_point(total", "def from_fixed_point(whole", False),
        (".round().cast(pl.Int128)", ".floor().cast(pl.Int128)", True),  # a helper
    ],
    "pipeline/transforms/product.py": [
        ("pl.col(config.factor) * pl", "pl.col(config.factor) + pl", True),
        ('"""A column', '"""1 column', False),
    ],
    "pipeline/sources/cells.py": [('strip_prefix("$")', 'strip_prefix("£")', True)],
    "data/raw.csv": [("8914.2,8914.2", "8914.3,8914.2", True), ("", "", False)],
}
STEPS = [(file, i) for file, edits in EDITS.items() for i in range(-1, len(edits))]

# Runs in the project's folder, so that its copy of the package is what is imported.
WORKER = """
import json, sys
from pathlib import Path
from pipeline.commands.cli import main
source = ["source=csv", "source.path=data/raw.csv"]
main(["--quiet", "run", *source], standalone_mode=False)

import polars as pl
from pipeline.run.run import run
from pipeline.plan.settings import load_settings
from pipeline.snapshots.store import open_store, read_current
nothing = Path(sys.argv[1])
run(load_settings(nothing, overrides=tuple(source)))
def frames(root):
    store = open_store(root)
    return {
        s.name: (s.state, pl.read_parquet(store.object(s.name, s.fingerprint)))
        for s in read_current(store).snapshots
    }
ours, theirs = frames(Path.cwd()), frames(nothing)
assert list(ours) == list(theirs)
print(json.dumps({
    "equal": [name for name in ours if ours[name][1].equals(theirs[name][1])],
    "rows": {name: df.height for name, (_, df) in ours.items()},
    "computed": [name for name, (state, _) in ours.items() if state == "computed"],
    "run_id": read_current(open_store(Path.cwd())).run_id,
}))
"""


def make_code_and_project(root: Path) -> None:
    """Copy code, configuration and some rows."""
    make_project(root, N_ROWS)
    shutil.copytree(ROOT / "pipeline", root / "pipeline")  # compiled as it is
    pipeline = root / "configs" / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("min_total: 555", "min_total: 20"))


def apply(pristine: str, file: str, choice: int) -> str:
    """Make one of a file's edits."""
    if choice < 0:
        return pristine
    before, after, _ = EDITS[file][choice]
    assert before in pristine
    edited = pristine.replace(before, after)
    if "spare" in after:
        first = "  median_profit: {tr"
        edited = edited.replace(first, f"  spare: {{transform: derive}}\n{first}")
    # The variable is renamed where it is used, too.
    return edited.replace("total.cast", "whole.cast") if "whole" in after else edited


@given(st.lists(st.sampled_from(STEPS), min_size=4, max_size=4, unique=True))
@settings(
    # More of them: just test tests/test_never_stale.py --hypothesis-profile thorough
    max_examples=settings().max_examples // 100,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_a_run_over_what_was_there_equals_a_run_from_nothing(
    steps: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, nothing = Path(name, "project"), Path(name, "nothing")
        root.mkdir()
        make_code_and_project(root)
        pristine = {file: (root / file).read_text() for file in EDITS}
        chosen = dict.fromkeys(EDITS, -1)
        seen: set[tuple[object, ...]] = set()
        last = ""
        for file, choice in [(next(iter(EDITS)), -1), *steps]:
            chosen[file] = choice
            (root / file).write_text(apply(pristine[file], file, choice))
            nothing.mkdir()
            for folder in ("configs", "data"):
                (nothing / folder).symlink_to(root / folder)
            output = subprocess.run(
                [sys.executable, "-c", WORKER, nothing],
                cwd=root,
                capture_output=True,
                text=True,
                check=False,
            )
            assert output.returncode == 0, output.stderr
            result = json.loads(output.stdout.splitlines()[-1])
            assert result["equal"] == list(result["rows"])
            assert result["rows"]["features"] > 0
            # What makes no difference, or was there before, is not computed again.
            values = tuple(
                i if i >= 0 and EDITS[f][i][2] else None for f, i in chosen.items()
            )
            if values in seen:
                assert result["run_id"] == last or result["computed"] == []
            seen.add(values)
            last = result["run_id"]
            shutil.rmtree(nothing)
