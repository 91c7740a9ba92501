"""The figures that were accepted, in a file that is committed."""

from pathlib import Path

import msgspec

PATH = Path(__file__).with_name("accepted.json")


class Acceptance(msgspec.Struct, frozen=True):
    """When, at which commit and why figures were accepted."""

    on: str
    commit: str
    reason: str


class Accepted(msgspec.Struct, frozen=True):
    """What a check holds its figures against.

    Attributes
    ----------
    history : list of Acceptance
        The newest last.
    ratios : dict of str to dict of str to float
        Per figure, what it is of each reference's.
    structure : dict of str to float
        See `benchmarks.structure`.
    """

    history: list[Acceptance]
    machine: dict[str, str | int]
    versions: dict[str, str]
    ratios: dict[str, dict[str, float]]
    structure: dict[str, float]


def read() -> Accepted:
    """Read the file."""
    return msgspec.json.decode(PATH.read_bytes(), type=Accepted)


def write(accepted: Accepted) -> None:
    """Write the file, to be committed."""
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(accepted), indent=2))
