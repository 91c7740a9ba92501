"""The notebooks run, as they are, in Jupyter and in marimo, while runs publish."""

import json
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.store import open_store, read_runs
from tests.conftest import PROJECT, ROOT, make_project

NOTEBOOKS = ROOT / "queries" / "notebooks"
JUPYTER = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
nbformat.write(notebook, sys.argv[1])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the notebooks' libraries beside those of this environment."""
    if not (uv := shutil.which("uv")):
        pytest.skip("uv installs the notebooks' libraries, and is not there")
    folder = tmp_path_factory.mktemp("notebooks") / "venv"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    install = [uv, "pip", "install", "-q", "-p", python, "--group", "notebooks"]
    done = subprocess.run(install, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no registry has the notebooks' libraries: {done.stderr[-300:]}")
    [site] = folder.glob("lib/python*/site-packages")
    (site / "ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    return python


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' own project, with a run, the shipped questions and notebooks."""
    root = make_project(tmp_path_factory.mktemp("project"), of=PROJECT)
    file = root / "configs" / "pipeline.yaml"
    known = "source: {use: csv, path: data/raw.csv}"
    file.write_text(file.read_text().replace("source: csv", known))
    shutil.copytree(ROOT / "queries", root / "queries", dirs_exist_ok=True)
    run(load_settings(root))
    return root


@contextmanager
def publishing(root: Path) -> Generator[None]:
    """Publish one run after the other, and at least three."""
    done = threading.Event()

    def publish() -> None:
        n = 0
        while n < 3 or not done.is_set():
            n += 1
            words = ("history.runs=1", f"lag_columns.periods={1 + n % 5}")
            run(load_settings(root, overrides=words))

    n_before = len(read_runs(open_store(root)))
    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert len(read_runs(open_store(root))) >= n_before + 3


def test_no_notebook_holds_results() -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.slow
def test_jupyter_runs_its_notebook_while_runs_publish(
    python: Path, project: Path
) -> None:
    notebook = project / "queries" / "notebooks" / "profits.ipynb"
    with publishing(project):
        subprocess.run(
            [python, "-c", JUPYTER, notebook], cwd=notebook.parent, check=True
        )
    outputs = [
        output
        for cell in json.loads(notebook.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    assert not [output for output in outputs if output["output_type"] == "stream"]
    shown = ["".join(o["data"].get("text/html", "")) for o in outputs]
    assert "<td>facility_drg_year</td>" in shown[0]
    assert sum("<table" in html for html in shown) >= 5


@pytest.mark.slow
def test_marimo_runs_its_notebook_while_runs_publish(
    python: Path, project: Path
) -> None:
    notebook = project / "queries" / "notebooks" / "drgs.py"
    page = project / "drgs.html"
    with publishing(project):
        subprocess.run([python, notebook], cwd=project, check=True)
        done = subprocess.run(
            [python, "-m", "marimo", "export", "html", notebook, "-o", page],
            cwd=project,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert "median facility, USD" in page.read_text()
    assert "PipelineError" not in page.read_text()
