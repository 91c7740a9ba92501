import subprocess
from pathlib import Path

from pipeline.files.commit import commit_of

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")


def git(root: Path, *words: str) -> str:
    """Run git in a folder."""
    done = subprocess.run([*GIT, *words], cwd=root, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_a_commit_says_whether_files_differ_from_it(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    assert commit_of(tmp_path / "p") is None
    git(tmp_path, "init", "--quiet")
    assert commit_of(tmp_path / "p") is None  # there is none yet
    (tmp_path / "p" / "a").write_text("1")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(tmp_path / "p") == head
    (tmp_path / "p" / "a").write_text("2")
    assert commit_of(tmp_path / "p") == f"{head}-dirty"
