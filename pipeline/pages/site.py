"""Pages to a folder, beside what else it holds: frame, links, style, script, search."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from shutil import rmtree
from typing import Any, cast

from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
)
from markupsafe import Markup, escape

from pipeline.errors import SnapshotError
from pipeline.pages import numbers
from pipeline.pages.names import anchor, column_page, snapshot_page, stage_page
from pipeline.progress import each

_HERE = Path(__file__).parent
_ASSETS = ("style.css", "pages.js")
MARKER = "made-by-pipeline-docs"
"""The file that lists what of a folder is ours, to be written anew."""
_MARKED = "Files of `just docs`, which writes them anew; others it leaves as they are."
_NEW = ".pages-being-written"
_OF_HOSTS = {".git", ".nojekyll", "CNAME"}
"""What a folder may hold that pages are first written to, as a branch of a host."""
_N_NAMED = 5

KINDS = ("column", "stage", "snapshot", "query", "transformation", "page")
"""What the search tells apart, in the order it prefers them."""


@dataclass(frozen=True)
class Found:
    """A name that the search leads to a page by."""

    kind: str
    """One of `KINDS`."""
    name: str
    about: str = ""
    """What else tells it from others of its name, such as its snapshot."""
    anchor: str = ""


@dataclass(frozen=True)
class Page:
    """One page."""

    path: str
    """Below the folder, with slashes; see `pipeline.pages.names`."""
    title: str
    template: str
    """The name of a file beside this one, without ``.html.j2``."""
    values: Mapping[str, Any]
    """What its template is given."""
    found_by: Sequence[Found] = ()
    section: str = ""
    """The path of the page in the navigation that it belongs to; its own by default."""


@dataclass(frozen=True)
class Frame:
    """What is around every page."""

    project: str
    run_id: str
    sections: Mapping[str, str]
    """The navigation: what it says, by the path of the page; those that are there."""
    just: str = "just"
    """What commands of ours begin with, in this project."""


def write_site(pages: Sequence[Page], frame: Frame, folder: Path) -> None:
    """Write pages into a folder, in the place of those that were there.

    What else is in the folder stays as it is. Nothing is put in place before all is
    written.

    Raises
    ------
    SnapshotError
        If something else is in the way, or the folder cannot be written.
    """
    target = folder.resolve()
    files = render(pages, frame)
    before = _written(target)
    _refuse_foreign(folder, target, files, before)
    new = target / _NEW
    try:
        target.mkdir(parents=True, exist_ok=True)
        rmtree(new, ignore_errors=True)  # of one that was killed
        for path, text in files.items():
            file = new / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        (target / MARKER).write_text(_marker({*files, *before}), encoding="utf-8")
        for path in files:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).replace(target / path)
        for path in before - {*files}:
            _remove(target, path)
        (target / MARKER).write_text(_marker(files), encoding="utf-8")
    except OSError as error:
        raise SnapshotError(
            f"{folder}: cannot be written\nfound: {error.strerror or error}\n"
            "hint: `just docs -o DIR` names a folder that can be written"
        ) from error
    finally:
        rmtree(new, ignore_errors=True)


def _marker(paths: Iterable[str]) -> str:
    """List the files that are ours."""
    return "\n".join((_MARKED, *sorted(paths), ""))


def _written(folder: Path) -> set[str]:
    """Read which files of a folder are ours."""
    try:
        _, *paths = (folder / MARKER).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    return {path for path in paths if not {"..", ""} & {*path.split("/")}}


def _remove(folder: Path, path: str) -> None:
    """Remove a file of ours, and the folders that it leaves empty."""
    with suppress(OSError):
        (folder / path).unlink(missing_ok=True)
        for parent in PurePosixPath(path).parents[:-1]:
            (folder / parent).rmdir()


def _refuse_foreign(
    folder: Path, target: Path, files: Iterable[str], before: set[str]
) -> None:
    """Refuse to write where something else is, as far as that is in the way."""
    if not target.exists():
        return
    if not target.is_dir():
        raise SnapshotError(f"{folder}: is no folder\nhint: name a folder")
    if (target / MARKER).exists():
        is_listed = bool(before)  # older versions have listed nothing
        found = {p for p in files if is_listed and (target / p).exists()} - before
        parents = {str(up) for p in files for up in PurePosixPath(p).parents[:-1]}
        found |= {up for up in parents if (target / up).is_file()} - before
    else:
        found = {path.name for path in target.iterdir()} - _OF_HOSTS - {_NEW}
    if found:
        names = ", ".join(sorted(found)[:_N_NAMED])
        more = f" and {len(found) - _N_NAMED} more" if len(found) > _N_NAMED else ""
        raise SnapshotError(
            f"{folder}: holds something else than pages, and is left as it is\n"
            f"found: {names}{more}\n"
            "hint: name a folder that is empty, or not there yet"
        )


def render(pages: Sequence[Page], frame: Frame) -> dict[str, str]:
    """Make the text of each file, by its path."""
    files = {name: (_HERE / name).read_text(encoding="utf-8") for name in _ASSETS}
    files["search.js"] = _search_index(pages)
    there = {page.path for page in pages}
    sections = {path: text for path, text in frame.sections.items() if path in there}
    env = _environment(frame.just)
    for page in each(pages, "writing pages"):
        links = _Links(page.path, there)
        files[page.path] = env.get_template(f"{page.template}.html.j2").render(
            {
                **page.values,
                "page": page,
                "project": frame.project,
                "run_id": frame.run_id,
                "just": frame.just,
                "sections": sections,
                "section": page.section or page.path,
                "root": links.root,
                "href": links.href,
                "link": links.link,
            }
        )
    return files


def _environment(just: str) -> Environment:
    """Prepare the templates: all text is escaped, and what is missing is a mistake.

    To compile them takes longer than to fill them, so they stay compiled where Python
    keeps its own modules so.
    """
    compiled = _HERE / "__pycache__"
    is_kept = os.access(compiled, os.W_OK)
    env = Environment(
        bytecode_cache=FileSystemBytecodeCache(str(compiled)) if is_kept else None,
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = cast("dict[str, Any]", env.filters)  # pyright: ignore[reportUnknownMemberType]
    filters |= numbers.FILTERS
    filters |= {f.__name__: f for f in (anchor, column_page, snapshot_page, stage_page)}
    filters |= {"quote": shlex.quote, "words": _words, "typed": partial(_typed, just)}
    return env


def _typed(just: str, text: str) -> str:
    """Write commands of ours, in backquotes or at the start, as they are typed."""
    return re.sub(r"(?m)(`|^)just\b", rf"\1{just}", text)


def _words(text: str) -> Markup:
    """Write words of ours, in which code stands in backquotes."""
    parts = text.replace("``", "`").split("`")
    code = (f"<code>{escape(part)}</code>" for part in parts[1::2])
    plain = (str(escape(part)) for part in parts[::2])
    return Markup("".join(chain(*zip_longest(plain, code, fillvalue=""))))


@dataclass(frozen=True)
class _Links:
    """Writes links from one page to others, as far as they are there."""

    here: str
    there: set[str]

    @property
    def root(self) -> str:
        """The way from the page to the folder of all."""
        return "../" * self.here.count("/")

    def href(self, path: str, anchor: str = "") -> str:
        """Name a page, or a place in it, from here; nothing if it is not there.

        Paths and anchors are of letters that stand in an address as they are.
        """
        if path not in self.there:
            return ""
        place = f"#{anchor}" if anchor else ""
        return place if place and path == self.here else f"{self.root}{path}{place}"

    def link(self, text: str, path: str, anchor: str = "", class_: str = "") -> Markup:
        """Write a link to a page, or the text alone if that is not there."""
        of = f' class="{class_}"' if class_ else ""
        if href := self.href(path, anchor):
            return Markup(f'<a href="{href}"{of}>{escape(text)}</a>')
        return Markup(f"<span{of}>{escape(text)}</span>")


def _search_index(pages: Sequence[Page]) -> str:
    """Write what the search knows as a script: a page on a disk may fetch nothing."""
    paths = [page.path for page in pages]
    found = [
        [KINDS.index(of.kind), of.name, of.about, i, of.anchor]
        for i, page in enumerate(pages)
        for of in page.found_by
    ]
    index = {"kinds": KINDS, "paths": paths, "found": found}
    text = json.dumps(index, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.pipelinePages = {text};\n"
