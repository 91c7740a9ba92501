"""What is installed, here and by workflows: locked, and enough for those it is for."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

LOCKS = sorted(ROOT.glob("requirements*.lock"))
OURS = {"pipeline", "transforms", "sources"}
OPTIONAL = {"pyspark"}  # of `just spark-env`
PACKAGES = {
    "_duckdb": "duckdb",
    "sklearn": "scikit-learn",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}


def pins(name: str) -> dict[str, set[str]]:
    """What a lock says of each package: versions and where they hold."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if match := re.match(r"([a-z0-9.-]+)==(.+?) ?\\?$", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_hashes_and_no_place_that_it_comes_from(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", text)
    assert all(re.match(r"\S+==.*\n    --hash=sha256:", entry) for entry in entries)
    assert "://" not in text


@pytest.mark.parametrize("upper", ["dev", "spark"])
def test_what_comes_on_top_changes_nothing_of_what_users_have(upper: str) -> None:
    users, more = pins("requirements.lock"), pins(f"requirements-{upper}.lock")
    shared = users.keys() & more.keys()
    assert "numpy" in shared
    assert {name: users[name] for name in shared} == {n: more[n] for n in shared}


def test_users_have_every_library_that_the_package_imports() -> None:
    names = {
        name
        for path in (ROOT / "pipeline").rglob("*.py")
        for name in re.findall(
            r"^ *(?:from (\w+)[\w.]* import|import (\w+))", path.read_text(), re.M
        )
    }
    libraries = {of or plain for of, plain in names} - sys.stdlib_module_names - OURS
    assert "polars" in libraries
    packages = {PACKAGES.get(name, name) for name in libraries - OPTIONAL}
    assert packages - pins("requirements.lock").keys() == set()


def test_workflows_name_code_of_others_by_its_hash() -> None:
    texts = [path.read_text() for path in (ROOT / ".github").rglob("*.yaml")]
    used = re.findall(r"uses: (.+)", "\n".join(texts))
    others = [name for name in used if not name.startswith("./.github/")]
    assert others
    pinned = r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    assert [name for name in others if not re.fullmatch(pinned, name)] == []


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yaml")))
def test_workflows_may_do_only_what_a_job_says(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 60
