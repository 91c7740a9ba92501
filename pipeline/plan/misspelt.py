"""A word of the command line that names no setting, found before settings are loaded.

What there is to be set is kept as of the configuration without words. It may be
otherwise with several, which are therefore left to whoever loads the settings.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from pipeline.config import (
    COMMAND_LINE,
    Mistake,
    refuse,
    unknown_field,
    unknown_section,
)
from pipeline.plan.content import Memo

_Known: TypeAlias = dict[str, list[str]]
"""Names that may be set in a section; under the empty name, the sections there are."""

# Of a value that is one word, whatever it says.
_WORD = re.compile(r"(?P<section>\w+)\.(?P<name>\w+)[\w.]*=[\w.+-]*")

_CHOICES = ("kind", "use")
"""What chooses the source, and so what else may be said of it."""


def refuse_misspelt(root: Path, profile: str | None, overrides: Sequence[str]) -> None:
    """Refuse the one word there is with a ConfigError, if it names no setting.

    The same that loading the settings would say, and only if what is known is kept.
    """
    found = _WORD.fullmatch(overrides[0]) if len(overrides) == 1 else None
    known = _memo(root, profile).recall(_Known) if found else None
    if not found or not known:
        return
    section, name = found["section"], found["name"]
    if section not in known[""]:
        said = unknown_section(section, known[""])
        refuse([Mistake(COMMAND_LINE, section, said)])
    elif name not in (*known.get(section, [name]), *_CHOICES):
        said = unknown_field(name, known[section])
        refuse([Mistake(COMMAND_LINE, f"{section}.{name}", said)])


def remember_names(
    root: Path,
    profile: str | None,
    sections: Sequence[str],
    configs: Mapping[str, msgspec.Struct],
) -> None:
    """Keep what may be set, of settings as the project and a profile say them."""
    known = {name: [*of.__struct_encode_fields__] for name, of in configs.items()}
    _memo(root, profile).remember({"": [*sections], **known})


def _memo(root: Path, profile: str | None) -> Memo:
    return Memo(root, "names", profile, ())
