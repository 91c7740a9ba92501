"""The quick tests with the newest of everything, and which dependency breaks them.

``just test-latest`` runs them in `.venv-latest`. What fails is run again there, on top
of the locks, with one changed dependency at a time.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.conftest import ROOT

HERE, LATEST = ROOT / ".venv", ROOT / ".venv-latest"
LOCKS = ("requirements.lock", "requirements-dev.lock")
QUICK = ("tests", "-m", "not slow", "-n", "auto", "--maxprocesses", "4")
NOTHING_RUNS = "--collect-only"
"""Stands for all tests, where pytest cannot even find them."""


def main(words: Sequence[str]) -> int:
    """Tell what is newer than the locks and what that breaks; 1 if anything fails."""
    uv("venv", "--clear", "--python", HERE / "bin/python", LATEST)
    pip("install", "--group", "dev", "--editable", ".")
    locked, newest = installed(HERE), installed(LATEST)
    changed = {
        name: version for name, version in newest.items() if version != locked.get(name)
    }
    failed = failing(words or QUICK)
    breaks: dict[str, set[str]] = {}
    known: set[str] = set()
    if failed:
        to_locks()
        known = failing(sorted(failed))
        for name in sorted(changed.keys() & direct()):
            to_locks()
            pip("install", f"{name}=={changed[name]}")
            breaks[name] = failing(sorted(failed - known)) if failed - known else set()
    click.echo(report(locked, changed, failed, known, breaks))
    return bool(failed)


def uv(*words: str | Path) -> str:
    """Run it; what it has to say of a failure is on the terminal."""
    command = ["uv", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def pip(command: str, *words: str) -> None:
    """Install into `.venv-latest`."""
    uv("pip", command, "--quiet", "--python", LATEST, *words)


def to_locks() -> None:
    """Bring `.venv-latest` to what the locks name."""
    pip("sync", "--require-hashes", *LOCKS)
    pip("install", "--no-deps", "--editable", ".")


def installed(venv: Path) -> dict[str, str]:
    """Return the version of each package."""
    found = json.loads(uv("pip", "list", "--python", venv, "--format", "json"))
    return {package["name"]: package["version"] for package in found}


def direct() -> set[str]:
    """Return the names that `pyproject.toml` asks for, as `uv pip list` writes them."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = config["project"]["dependencies"] + config["dependency-groups"]["dev"]
    names = (re.match(r"[\w.-]+", text) for text in asked)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}


def failing(tests: Sequence[str]) -> set[str]:
    """Run tests in `.venv-latest`, and return the ids of those that fail."""
    with TemporaryDirectory() as cache:
        command = [LATEST / "bin/python", "-m", "pytest", "--quiet"]
        done = subprocess.run(
            [*command, "-o", f"cache_dir={cache}", *tests],
            cwd=ROOT,
            check=False,
            stdout=sys.stderr,
        )
        kept = Path(cache, "v/cache/lastfailed")
        found = set(json.loads(kept.read_text())) if kept.exists() else set()
    return found if found or done.returncode == 0 else {NOTHING_RUNS}


def report(
    locked: Mapping[str, str],
    changed: Mapping[str, str],
    failed: set[str],
    known: set[str],
    breaks: Mapping[str, set[str]],
) -> str:
    """Say in Markdown what differs from the locks, and what fails of which."""
    lines = ["| package | locked | newest | breaks |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {locked.get(name, '')} | {version} |"
        f" {' '.join(f'`{test}`' for test in sorted(breaks.get(name, set())))} |"
        for name, version in sorted(
            changed.items(), key=lambda of: (not breaks.get(of[0]), of[0])
        )
    ]
    alone = set[str]().union(*breaks.values())
    lines += [f"\n{len(failed)} failed with the newest of everything."]
    lines += [f"- Fails with the locks, too: `{test}`" for test in sorted(known)]
    lines += [
        f"- Fails with none of them alone: `{test}`"
        for test in sorted(failed - known - alone)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
