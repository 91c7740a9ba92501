"""The rooms of modelling import those below them, as `pipeline.modeling` lists them."""

import re

import pytest

import pipeline.modeling
from tests.test_rooms import IMPORTS, MODULES

ROOMS = re.findall(r"^- `(\w+)`:", pipeline.modeling.__doc__ or "", re.MULTILINE)


def room(module: str) -> str:
    """The folder of a module below `pipeline.modeling`, or its name."""
    return module.split(".")[2] if module.startswith("pipeline.modeling.") else ""


def test_every_room_is_listed() -> None:
    folders = {room(name) for name, path in MODULES.items() if path.stem == "__init__"}
    assert sorted(ROOMS) == sorted(folders - {""})


@pytest.mark.parametrize("of", ROOMS)
def test_a_room_imports_what_is_listed_below_it(of: str) -> None:
    above = ROOMS[: ROOMS.index(of)]
    commands = ["tune", "train", "evaluate", "promote", "forecast", "score"]
    wrong = [
        f"{module} -> {name}"
        for module, names in IMPORTS.items()
        for name in names & MODULES.keys()
        if room(module) == of and room(name) in (*above, *commands)
    ]
    assert not wrong
