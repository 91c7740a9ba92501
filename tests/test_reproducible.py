"""The same inputs give the same content, for any threads and either engine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, ROOT

# One run with its snapshots' content hashes, and the same by the in-memory engine.
WORKER = """
import json
from pathlib import Path
from pipeline import sources
from pipeline.engine.one_pass import snapshot_frames
from pipeline.plan.compose import compose
from pipeline.snapshots.profile import collect_profile
from pipeline.run.run import run
from pipeline.plan.settings import load_settings

words = ("source=csv", "source.path=data/raw.csv")
settings = load_settings(Path.cwd(), profile={profile!r}, overrides=words)
rows, _ = sources.scan(settings.source, settings.root).frames()
plan = compose(rows, settings.stages)
report = run(settings)
streaming = {{name: there.content_hash for name, there in report.objects.items()}}
in_memory = {{
    name: collect_profile(
        lf.collect(engine="in-memory"), plan.snapshots[name].stage.key
    ).content_hash
    for name, lf in snapshot_frames(plan).items()
}}
print(json.dumps([streaming, in_memory]))
"""


def content_hashes(root: Path, n_threads: int, profile: str | None) -> list[str]:
    """Run in a process of its own, from nothing; return hashes by snapshot as JSON."""
    root.mkdir()
    (root / "configs").symlink_to(PROJECT / "configs")
    (root / "data").symlink_to(ROOT / "tests" / "golden")
    result = subprocess.run(
        [sys.executable, "-c", WORKER.format(profile=profile)],
        cwd=root,
        env=os.environ
        | {"POLARS_MAX_THREADS": str(n_threads), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    streaming, in_memory = json.loads(result.stdout.splitlines()[-1])
    assert streaming.pop("quarantine")
    return [json.dumps(hashes) for hashes in (streaming, in_memory)]


@pytest.mark.parametrize(
    "profile",
    [None, pytest.param("origin", marks=pytest.mark.slow)],
    ids=["default", "origin"],
)
def test_threads_and_engines_give_the_same_content(
    tmp_path: Path, profile: str | None
) -> None:
    found = [
        hashes
        for i, n_threads in enumerate([1, 4])
        for hashes in content_hashes(tmp_path / str(i), n_threads, profile)
    ]
    assert len(set(found)) == 1
