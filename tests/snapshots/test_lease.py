"""What a process holds, clearing up sees."""

import subprocess
import sys
from pathlib import Path

from pipeline.snapshots.lease import hold, is_held

HOLD = """
import sys
from pathlib import Path
from pipeline.snapshots.lease import hold
hold(Path(sys.argv[1]))
hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_catalog_is_held_until_the_process_ends(tmp_path: Path) -> None:
    catalog = tmp_path / "snapshots.duckdb"
    catalog.write_bytes(b"x")

    def seen() -> bool:
        with catalog.open("rb+") as file:
            return is_held(file)

    assert not seen()
    program = [sys.executable, "-c", HOLD, str(catalog)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == b"held\n"
        assert seen()
        other.stdin.close()
    assert not seen()


def test_a_handle_that_is_closed_gives_nothing_up(tmp_path: Path) -> None:
    catalog = tmp_path / "snapshots.duckdb"
    catalog.write_bytes(b"x")
    hold(catalog)
    catalog.read_bytes()
    with catalog.open("rb+") as file:
        assert is_held(file)
