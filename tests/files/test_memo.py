"""What was worked out is kept whole, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import memo

VALUE = {"a": [1.5, float("inf"), None, True], "b": {"c": "ä"}}


def test_a_value_is_kept_as_it_was_and_never_as_another(tmp_path: Path) -> None:
    path = tmp_path / "memo" / "one"
    assert memo.recall(path, dict) is None
    memo.remember(path, VALUE)
    assert memo.recall(path, dict) == VALUE
    assert memo.recall(path, list) is None
    content = path.read_bytes()
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        assert memo.recall(path, dict) is None
        path.write_bytes(content[:i])
        assert memo.recall(path, dict) is None
    memo.remember(path, VALUE)
    assert memo.recall(path, dict) == VALUE


def test_what_is_kept_stands_for_no_other(tmp_path: Path) -> None:
    one, other = tmp_path / "memo" / "one", tmp_path / "memo" / "other"
    memo.remember(one, VALUE)
    other.write_bytes(one.read_bytes())
    assert memo.recall(one, dict) == VALUE
    assert memo.recall(other, dict) is None
    other.unlink()
    os.mkfifo(other)
    assert memo.recall(other, dict) is None  # and does not wait for a writer


def test_the_oldest_go(tmp_path: Path) -> None:
    (tmp_path / "memo" / "folder").mkdir(parents=True)
    os.utime(tmp_path / "memo" / "folder", (0, 0))
    paths = [tmp_path / "memo" / str(i) for i in range(70)]
    for i, path in enumerate(paths):
        memo.remember(path, i)
        os.utime(path, (i, i))
    left = {path.name for path in (tmp_path / "memo").iterdir()}
    assert left == {"folder", *(str(i) for i in range(6, 70))}


@pytest.mark.parametrize("value", [2**70, {"a": 2**70}])
def test_what_cannot_be_written_is_not_kept(tmp_path: Path, value: object) -> None:
    memo.remember(tmp_path / "absent" / "memo" / "one", VALUE)
    assert not (tmp_path / "absent").exists()
    memo.remember(tmp_path / "memo" / "one", value)
    assert memo.recall(tmp_path / "memo" / "one", object) is None
    (tmp_path / "file").touch()
    memo.remember(tmp_path / "file" / "one", VALUE)
    assert not [*tmp_path.rglob("one*")]


def test_processes_side_by_side_leave_one_whole_value(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.files import memo\n"
        "path = Path(sys.argv[1], 'memo', 'one')\n"
        "for i in range(200):\n"
        "    memo.remember(path, [i] * 20_000)\n"
        "    found = memo.recall(path, list)\n"
        "    assert found and len({*found}) == 1 and len(found) == 20_000\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert [path.name for path in (tmp_path / "memo").iterdir()] == ["one"]
