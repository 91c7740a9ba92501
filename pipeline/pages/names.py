"""Where each page lies, by what it is about, whatever that is called."""

import hashlib
import re

HOME = "index.html"
PLAN = "plan.html"
COLUMNS = "columns.html"
SNAPSHOTS = "snapshots.html"
QUALITY = "quality.html"
MODEL = "model.html"
SPEED = "speed.html"
QUERIES = "queries.html"

_SAFE = re.compile(r"(?!(con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9_]{1,60}")
"""What stands as it is: not what Windows has as devices."""


def slug(name: str) -> str:
    """Name a file or an anchor for anything: no two names share one.

    What is more than small letters, digits and underscores, or no file on Windows,
    has a hash of it behind, so that names in other letters, or of other signs, stay
    apart on every disk.
    """
    if _SAFE.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{readable or 'x'}-{digest}"


def stage_page(stage: str) -> str:
    """Name the page of a stage, or of a source."""
    return f"stages/{slug(stage)}.html"


def snapshot_page(snapshot: str) -> str:
    """Name the page of a snapshot."""
    return f"snapshots/{slug(snapshot)}.html"


def column_page(owner: str, column: str) -> str:
    """Name the page of a column of a source or of a snapshot."""
    return f"columns/{slug(owner)}/{slug(column)}.html"


def anchor(name: str) -> str:
    """Name the place of something in a page."""
    return f"of-{slug(name)}"
