"""Which commit a project is at."""

import subprocess
from pathlib import Path


def commit_of(root: Path) -> str | None:
    """Name the commit of a folder's git repository, with ``-dirty`` if files differ.

    None without a repository, or without git.
    """
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return None
    words = ["--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), "describe", *words],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
