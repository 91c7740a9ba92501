"""The images are not root's, hold what the locks name, and run, as far as can be told.

No container runtime is asked. Each line of the Dockerfile is executed as it stands
there, in fresh roots of Debian's packages: the system of the Python image, with the
system's own Python in the place of the image's.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.modeling.conftest import LENIENT

ROOT = Path(__file__).parents[1]
PROJECT = Path(__file__).parent / "project"


class Line(NamedTuple):
    """An instruction."""

    word: str
    rest: str


def lines() -> Iterator[Line]:
    """Read the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    kept = "\n".join(x for x in text.splitlines() if not x.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", kept).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield Line(word, rest.strip())


def ignored(name: str) -> bool:
    """Tell whether the context lacks what is at the top of the repository."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    return patterns[0] == "*" and f"!{name}" not in patterns and name != "."


def context_with_own(folder: Path) -> Path:
    """Copy what Docker is sent of the repository, with a transformation of its own."""
    for path in ROOT.iterdir():
        if ignored(path.name):
            continue
        if path.is_dir():
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=leave)
        else:
            shutil.copy(path, folder / path.name)
    assert not ignored("transforms")
    (folder / "transforms").mkdir(exist_ok=True)
    (folder / "transforms" / "add_trend.py").touch()
    return folder


@dataclass
class Stage:
    """A root that lines are executed in."""

    root: Path
    user: str = "0:0"
    folder: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    """The last of each other instruction."""

    def execute(self, *words: str, user: str | None = None) -> str:
        """Execute a command in it, as a container would."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        env = {"PATH": path, "HOME": "/tmp", "SSL_CERT_FILE": CERTIFICATES} | self.env
        chroot = ["chroot", f"--userspec={user or self.user}", str(self.root)]
        given = ["env", "-i", *(f"{k}={v}" for k, v in env.items()), *words]
        script = (
            f"mount -t proc proc {shlex.quote(str(self.root / 'proc'))}; exec "
            + shlex.join([*chroot, "/bin/sh", "-c", f'cd "{self.folder}" && exec "$@"'])
            + " sh "
            + shlex.join(given)
        )
        done = subprocess.run(
            ["unshare", "--mount", "--fork", "sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def copy(self, rest: str, context: Path, stages: dict[str, "Stage"]) -> None:
        """Copy files, from the context or another stage."""
        words = rest.split()
        of = re.fullmatch(r"--from=(\w+)", words[0])
        *sources, target = words[1:] if of else words
        place = self.root / str(Path(self.folder, target)).lstrip("/")
        for source in sources:
            assert of or not ignored(source), f"{source} is not in the context"
            base = stages[of[1]].root if of else context
            path = base / source.lstrip("/")
            if path.is_dir():
                shutil.copytree(
                    path,
                    place,
                    symlinks=True,
                    dirs_exist_ok=True,
                    ignore=None if of else shutil.ignore_patterns("__pycache__"),
                )
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def bootstrapped(root: Path) -> Path:
    """Make a root of Debian 12's packages, which reaches what this machine does."""
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "bookworm", str(root)],
        check=True,
        capture_output=True,
    )
    return root


def built(folder: Path, base: Path) -> dict[str, Stage]:
    """Execute all lines."""
    (folder / "context").mkdir()
    context = context_with_own(folder / "context")
    for file in ("/etc/resolv.conf", CERTIFICATES):
        shutil.copy(file, base / file.lstrip("/"))
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for line in lines():
        match line.word:
            case "FROM":
                of, name = re.fullmatch(r"(\S+) AS (\w+)", line.rest).groups()  # type: ignore[union-attr]
                if of in stages:
                    before = stages[of]
                    stage = Stage(before.root, before.user, before.folder, before.env)
                    stage.said = dict(before.said)
                else:
                    assert of.startswith("python:3.")
                    assert of.endswith("-slim-bookworm")
                    subprocess.run(["cp", "-a", base, folder / name], check=True)
                    stage = Stage(folder / name)
                stages[name] = stage
            case "WORKDIR":
                stage.folder = line.rest
                made = stage.root / line.rest.lstrip("/")
                made.mkdir(parents=True, exist_ok=True)
            case "COPY":
                stage.copy(line.rest, context, stages)
            case "RUN":
                stage.execute("/bin/sh", "-c", line.rest)
            case "ENV":
                for given in shlex.split(line.rest):
                    name, _, value = given.partition("=")
                    path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
                    stage.env[name] = value.replace("$PATH", path)
            case "USER":
                stage.user = line.rest
            case word:
                stage.said[word] = line.rest
    return stages


def command(said: str) -> list[str]:
    """Read the words of a command, behind its options."""
    return json.loads(said[said.index("[") :])


def test_it_is_no_ones_root_and_installs_what_the_locks_hash() -> None:
    told = list(lines())
    users = [line.rest for line in told if line.word == "USER"]
    assert users == ["10001:10001"]
    after = told[[line.word for line in told].index("USER") :]
    assert not [line for line in after if line.word in ("RUN", "COPY")]
    installs = [
        line.rest for line in told if ".lock" in line.rest and "&&" in line.rest
    ]
    assert len(installs) == 1
    for name in ("requirements-tools.lock", "requirements.lock"):
        assert (ROOT / name).read_text().count("--hash=sha256:") > 10
    assert installs[0].count("--require-hashes") == 2
    stages = [line.rest.rpartition(" ")[2] for line in told if line.word == "FROM"]
    assert stages == ["build", "run", "serve"]
    assert [line.word for line in told].count("HEALTHCHECK") == 2


@pytest.mark.parametrize("own", [("transforms",), (), ("sources", "transforms")])
def test_it_takes_the_folders_of_a_project_that_are_there(
    own: tuple[str, ...], tmp_path: Path
) -> None:
    folders = {"configs", "queries", *own}
    for name in (*folders, "pipeline"):
        (tmp_path / "context" / name).mkdir(parents=True)
        (tmp_path / "context" / name / "a").touch()
        assert not ignored(name)
    told = [line.rest for line in lines()]
    [gathering] = [rest for rest in told if "transforms" in rest]
    subprocess.run(["/bin/sh", "-c", gathering], cwd=tmp_path, check=True)
    assert {path.parent.name for path in tmp_path.glob("project/*/a")} == folders
    assert "--from=build /build/project ./" in told


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[Path]:
    """A folder that does not stay: the roots in it take 3 GB."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap"),
    reason="needs root and debootstrap",
)
def test_each_line_does_what_it_should_in_a_fresh_root(roots: Path) -> None:
    stages = built(roots, bootstrapped(roots / "base"))
    check(stages["run"], stages["serve"])


def check(run: Stage, serve: Stage) -> None:
    """Run a small project as the image's user, and look what is left in the image."""
    for compiler in ("gcc", "cc", "g++", "clang", "ld", "uv"):
        for folder in ("usr/bin", "usr/local/bin", "opt/pipeline/bin"):
            assert not (run.root / folder / compiler).exists()
    assert not list((run.root / "opt/pipeline").rglob("site-packages/pip"))
    assert not list((run.root / "var/lib/apt/lists").iterdir())
    own = [*(run.root / "opt/pipeline").rglob("*"), *(run.root / "project").rglob("*")]
    uid = int(run.user.partition(":")[0])
    mine = [path for path in own if path.lstat().st_uid == uid]
    assert mine == [run.root / "project" / ".pipeline"]
    assert "Commands" in run.execute(*command(run.said["HEALTHCHECK"]))
    entry = command(run.said["ENTRYPOINT"])
    assert (run.root / "project" / "transforms" / "add_trend.py").exists()
    assert not (run.root / "project" / "pipeline").exists()
    assert "features" in run.execute(*entry, "plan")
    # A project of somebody else's in its place, which only has to be read.
    shutil.rmtree(run.root / "project" / "configs")
    shutil.rmtree(run.root / "project" / "queries")
    shutil.copytree(PROJECT, run.root / "project", dirs_exist_ok=True)
    rows = ROOT / "tests" / "golden" / "raw.csv"
    (run.root / "project" / "data").mkdir()
    shutil.copy(rows, run.root / "project" / "data" / "raw.csv")
    words = ("source=csv", "source.path=data/raw.csv", "--profile", "ci")
    assert "features" in run.execute(*entry, *command(run.said["CMD"]), *words)
    found = run.execute(*entry, "sql", "from features", "--format", "csv")
    assert len(found.splitlines()) == 2251
    # The slim image lacks a library that LightGBM needs.
    run.execute("python", "-c", "import lightgbm")
    run.execute(*entry, "promote", "ridge", *words, *LENIENT)
    assert serve.user == run.user
    asked = shlex.join(command(serve.said["HEALTHCHECK"]))
    assert "refused" in serve.execute("/bin/sh", "-c", f"{asked} 2>&1 || true")
    serving = shlex.join([*entry, *command(serve.said["CMD"]), *words])
    tried = f"for _ in $(seq 60); do sleep 1; if {asked} 2> /dev/null; then"
    end = "kill $!; wait $!; exit 0; fi; done; exit 1"
    assert "8000" in serve.execute("/bin/sh", "-c", f"{serving} 2>&1 & {tried} {end}")
