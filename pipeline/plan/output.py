"""What a command may write to: nothing that the project is made of."""

import os
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.errors import PipelineError, QueryError
from pipeline.files.local import find_local
from pipeline.files.remote import is_remote
from pipeline.files.state import State
from pipeline.plan.settings import Settings, load_settings

_FOLDERS = ("configs", "queries", "sources", "transforms")
"""What a project is made of, beside its state."""


def refuse_to_lose(target: Path, root: Path) -> None:
    """Refuse an output in place of what a project is made of, or of its data.

    That is a file of any source, of the configuration or of one with any profile; a
    new file that a source would read; and anything in the project's own folders.
    """
    state = State(root)
    place = Path(os.path.realpath(target))  # `resolve` may fail on a loop of links
    for folder in (*(root / name for name in _FOLDERS), state.folder):
        is_within = place.is_relative_to(folder.resolve())
        if is_within and not place.is_relative_to(state.docs.resolve()):
            raise QueryError(
                f"{target}: is within {folder.name}/ of the project\n"
                "expected: a place where nothing of the project is\n"
                "hint: choose another folder"
            )
    profiles = (root / "configs" / "profiles").glob("*.yaml")
    for profile in (None, *sorted(path.stem for path in profiles)):
        try:
            settings = load_settings(root, profile=profile)
        except PipelineError:  # what cannot be loaded names no source
            continue
        refuse_sources(target, settings)


def refuse_sources(target: Path, settings: Settings) -> None:
    """Refuse an output that is, or would be, a file of a source."""
    for source in settings.sources.values():
        path = getattr(source, "path", None)
        if path is None or is_remote(path):
            continue
        files: tuple[Path, ...] = ()
        with suppress(PipelineError):
            files = find_local(path, settings.root)
        refuse_to_overwrite(target, files)
        folders = {file.resolve().parent for file in files}
        is_meant = fnmatchcase(target.name, Path(path).name)
        if is_meant and Path(os.path.realpath(target)).parent in folders:
            raise QueryError(
                f"{target}: the source would read it, as one of {path}\n"
                "hint: choose another name or folder"
            )


def refuse_to_overwrite(target: Path, files: Iterable[Path]) -> None:
    """Refuse an output that is one of the files to read, by whatever name or link."""
    for file in files:
        if target.exists() and file.exists() and target.samefile(file):
            raise QueryError(
                f"{target}: is a file to read, expected another one to write\n"
                "hint: choose another name or folder"
            )
