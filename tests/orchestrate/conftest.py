"""Other tools, each in an environment of its own, and a small project for them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.modeling.shops import shops

Said: TypeAlias = subprocess.CompletedProcess[str]
Call: TypeAlias = Callable[..., Said]


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Install a package from PyPI, apart from ours, and name its programs' folder."""

    def install(requirement: str) -> Path:
        uv = shutil.which("uv")
        if uv is None:
            pytest.skip("uv installs the tools, and is not there")
        folder = tmp_path_factory.mktemp("tool") / "venv"
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
        words = [uv, "pip", "install", "-q", "--python", folder, requirement]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{requirement} cannot be installed: {done.stderr[-200:]}")
        return folder / "bin"

    return install


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with a study, a model and a baseline, from its data on."""
    root = tmp_path / "it's a shop"
    root.mkdir()
    return shops(root, range(2008, 2016))


def call_in(root: Path, *words: str | Path, **variables: str) -> Said:
    """Call a program in a project; ours are those of this environment."""
    ours = Path(sys.executable).parent
    path = f"{ours}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        words,
        cwd=root,
        env={**os.environ, "PATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def fail_once(root: Path) -> None:
    """Let the first command that needs MLflow's store fail; none that follows does."""
    in_the_way = root / ".pipeline" / "mlflow"
    in_the_way.parent.mkdir()
    in_the_way.touch()
    config = root / "configs" / "pipeline.yaml"
    notify = "notify: {failure: rm .pipeline/mlflow}\n"
    config.write_text(f"{config.read_text()}{notify}")
