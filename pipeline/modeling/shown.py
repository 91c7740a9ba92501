"""The resolved configuration, to be seen."""

from pathlib import Path

from pipeline.plan.content import Memo
from pipeline.plan.misspelt import refuse_misspelt

_LAST = ("modeling", "models")
"""Sections that a run has no use for."""


def configuration(
    root: Path, *, profile: str | None = None, overrides: tuple[str, ...] = ()
) -> str:
    """Write the configuration as YAML, that of the models last, if there are any."""
    memo = Memo(root, "shown", profile, overrides)
    kept = memo.recall(str)
    if kept is not None:
        return kept
    refuse_misspelt(root, profile, overrides)
    # Late: what is kept needs none of it.
    from omegaconf import OmegaConf

    from pipeline.modeling.settings import load_whole

    settings = load_whole(root, profile=profile, overrides=overrides)
    tree = dict(sorted(settings.shown.items(), key=lambda item: item[0] in _LAST))
    text = OmegaConf.to_yaml(OmegaConf.create(tree))
    if not settings.environment:
        memo.remember(text)
    return text
