"""Pages to a folder, whole or not at all: frame, links, style, script, search index."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
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
"""The file that says that a folder may be written anew."""

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


def write_site(pages: Sequence[Page], frame: Frame, folder: Path) -> None:
    """Write pages into a folder, in the place of those that were there.

    Raises
    ------
    SnapshotError
        If the folder holds something else, or cannot be written.
    """
    target = folder.resolve()
    refuse_foreign(target)
    files = render(pages, frame)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            new, old = Path(beside, "new"), Path(beside, "old")
            for path, text in files.items():
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            with suppress(FileNotFoundError):
                target.rename(old)
            try:
                new.rename(target)
            except OSError:
                old.rename(target)
                raise
    except OSError as error:
        raise SnapshotError(f"{folder}: cannot be written\nfound: {error}") from error


def refuse_foreign(folder: Path) -> None:
    """Refuse to write pages where something else is."""
    if not folder.exists():
        return
    if not folder.is_dir() or (
        any(folder.iterdir()) and not (folder / MARKER).exists()
    ):
        raise SnapshotError(
            f"{folder}: holds something else than pages, and is left as it is\n"
            "hint: name a folder that is empty, or not there yet"
        )


def render(pages: Sequence[Page], frame: Frame) -> dict[str, str]:
    """Make the text of each file, by its path."""
    files = {name: (_HERE / name).read_text(encoding="utf-8") for name in _ASSETS}
    files[MARKER] = "This folder is written anew by `just docs`.\n"
    files["search.js"] = _search_index(pages)
    there = {page.path for page in pages}
    sections = {path: text for path, text in frame.sections.items() if path in there}
    env = _environment()
    for page in each(pages, "writing pages"):
        links = _Links(page.path, there)
        files[page.path] = env.get_template(f"{page.template}.html.j2").render(
            {
                **page.values,
                "page": page,
                "project": frame.project,
                "run_id": frame.run_id,
                "sections": sections,
                "section": page.section or page.path,
                "root": links.root,
                "href": links.href,
                "link": links.link,
            }
        )
    return files


def _environment() -> Environment:
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
    filters |= {"quote": shlex.quote, "words": _words}
    return env


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
