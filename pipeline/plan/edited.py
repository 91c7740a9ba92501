"""Code that was edited while a process goes on, as a notebook's does."""

import sys
from pathlib import Path

from pipeline.log import LOG
from pipeline.plan.code import PACKAGE, files_below
from pipeline.sources.made import OWN as OWN_SOURCES
from pipeline.sources.made import load_maker
from pipeline.transforms import OWN, load_transform

_Seen = dict[Path, tuple[int, int]]

_seen: dict[Path, _Seen] = {}


def _files(folder: Path) -> _Seen:
    """Tell the modules of a folder, as far as file times do."""
    stats = {path: path.stat() for path in files_below(folder, ".py")}
    return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in stats.items()}


_seen[PACKAGE] = _files(PACKAGE)


def forget_edited(root: Path) -> None:
    """Let no module of a project stand for one that was edited since it was imported.

    The package's own cannot be imported again in one process: this is said.
    """
    for package, load in ((OWN, load_transform), (OWN_SOURCES, load_maker)):
        folder = root / package
        now = _files(folder)
        if _seen.setdefault(folder, now) != now:
            _seen[folder] = now
            load.cache_clear()
            for name in [n for n in sys.modules if n.partition(".")[0] == package]:
                del sys.modules[name]
    if (now := _files(PACKAGE)) != _seen[PACKAGE]:
        _seen[PACKAGE] = now
        LOG.warning(
            "the code of pipeline was edited since this process began, which goes on"
            " with that of then: restart it; a run has the code of now"
        )
