"""Make the pages of a project."""

from dataclasses import replace
from pathlib import Path

from pipeline.pages.columns import columns
from pipeline.pages.facts import Facts, read_facts
from pipeline.pages.home import home
from pipeline.pages.model import model
from pipeline.pages.names import (
    COLUMNS,
    HOME,
    MODEL,
    PLAN,
    QUALITY,
    QUERIES,
    SNAPSHOTS,
    SPEED,
)
from pipeline.pages.plan import plan
from pipeline.pages.quality import quality
from pipeline.pages.queries import queries
from pipeline.pages.site import Frame, Page, write_site
from pipeline.pages.snapshot import snapshots
from pipeline.pages.speed import speed
from pipeline.pages.stages import stages
from pipeline.progress import doing, each

SECTIONS = {
    HOME: "Home",
    PLAN: "Plan",
    COLUMNS: "Columns",
    SNAPSHOTS: "Snapshots",
    QUALITY: "Quality",
    MODEL: "Model",
    SPEED: "Speed",
    QUERIES: "Queries",
}
"""The navigation."""

_MAKERS = (home, plan, stages, columns, snapshots, quality, model, speed, queries)
"""What makes pages of the facts."""


def write_pages(
    root: Path,
    folder: Path,
    *,
    profile: str | None = None,
    overrides: tuple[str, ...] = (),
    just: str = "just",
) -> int:
    """Write the pages of a project into a folder, and count them.

    Commands of ours begin with ``just`` there, or what is given instead.

    Raises
    ------
    SnapshotError
        If nothing has been published yet, or the folder holds something else.
    """
    with doing("reading what is known of the project"):
        facts = read_facts(root, profile=profile, overrides=overrides)
    pages = pages_of(facts)
    write_site(pages, replace(frame_of(facts), just=just), folder)
    return len(pages)


def frame_of(facts: Facts) -> Frame:
    """Say what is around every page."""
    return Frame(facts.name, facts.run.run_id, SECTIONS)


def pages_of(facts: Facts) -> list[Page]:
    """Make all pages."""
    makers = each(_MAKERS, "making pages")
    return [page for make in makers for page in make(facts)]
