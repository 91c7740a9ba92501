"""Begin a run; where nothing has changed, answer before a dataframe is imported."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.plan.code import forget_racy_modules
from pipeline.plan.content import (
    Memo,
    key,
    package_at_first,
    package_hash,
    words_of,
)
from pipeline.plan.wiring import Selection
from pipeline.progress import doing
from pipeline.run.outline import kept_outline
from pipeline.run.stamp import read_stamp

if TYPE_CHECKING:
    from pipeline.run.run import RunReport


def start(
    root: Path,
    profile: str | None,
    overrides: tuple[str, ...],
    *,
    to: str | None = None,
    from_: str | None = None,
    only: str | None = None,
    force: bool = False,
) -> "RunReport | str | None":
    """Run what is chosen; return the id of the run that has done it all, if one has.

    None if a single stage is chosen and publishes nothing: nothing is run then.
    Only a run of everything looks for such a stamp, and leaves one.
    """
    is_stale = forget_racy_modules()
    names_stages = bool(to or from_ or only)
    is_plain = not (names_stages or force)
    words = words_of(profile, overrides)
    stamp_key = key(root, words, package_at_first())
    if is_plain and (stamped := read_stamp(root, stamp_key)):
        return stamped.run_id

    selection = Selection(to, from_, only, force)
    if names_stages and (kept := kept_outline(root, profile, overrides)):
        selection.stages(kept.wiring)  # refuses names that are not there
    with doing("loading settings and libraries"):
        from pipeline.plan.found import keeping
        from pipeline.plan.settings import load_settings
        from pipeline.run.freshness import is_unpublished
        from pipeline.run.run import run, stamp

        settings = load_settings(root, profile=profile, overrides=overrides)
    if is_unpublished(settings, selection):
        return None
    memo = Memo(root, "stages", profile, overrides)
    # What the environment says decides, too, and no name of what is kept tells of it.
    with nullcontext() if settings.environment else keeping(memo):
        report = run(settings, selection)
    if (
        is_plain
        and stamp_key
        and not is_stale
        and stamp_key == key(root, words, package_hash())
    ):
        stamp(report, stamp_key)
    return report
