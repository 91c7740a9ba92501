"""The figures that were accepted, per processor, in a file that is committed."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

PATH = Path(__file__).with_name("accepted.json")

Ratios = dict[str, dict[str, float]]
"""Per figure, what it is of each reference's."""


class Acceptance(msgspec.Struct, frozen=True):
    """When, at which commit and why figures were accepted."""

    on: str
    commit: str
    reason: str


class Figures(msgspec.Struct, frozen=True):
    """What was accepted on one kind of processor, and how it was measured there."""

    machine: dict[str, str | int]
    versions: dict[str, str]
    ratios: Ratios


class Accepted(msgspec.Struct, frozen=True):
    """What a check holds its figures against."""

    history: list[Acceptance]
    """The newest last."""
    processors: dict[str, Figures]
    """By the processor's name; the one that was measured last comes last."""
    structure: dict[str, float]
    """See `benchmarks.structure`."""

    @property
    def newest(self) -> Figures:
        """The figures that were measured last."""
        return next(reversed(self.processors.values()))


def read() -> Accepted:
    """Read the file."""
    return msgspec.json.decode(PATH.read_bytes(), type=Accepted)


def write(accepted: Accepted) -> None:
    """Write the file, to be committed."""
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(accepted), indent=2))


def carried_over(
    processors: Mapping[str, Figures], here: str, ratios: Ratios
) -> dict[str, Figures]:
    """Change what other processors are held to by as much as what changed here.

    `ratios` are the figures of now on the processor `here`; where nothing was accepted
    on it before, the others stay. What is measured for the first time is theirs, too.
    """
    before = processors[here].ratios if here in processors else {}

    def changed(name: str, reference: str, ratio: float) -> float:
        was, now = (r.get(name, {}).get(reference) for r in (before, ratios))
        return round(ratio * now / was, 4) if was and now else ratio

    return {
        processor: msgspec.structs.replace(
            figures,
            ratios={**ratios}
            | {
                name: {ref: changed(name, ref, ratio) for ref, ratio in of.items()}
                for name, of in figures.ratios.items()
            },
        )
        for processor, figures in processors.items()
        if processor != here
    }
