"""Which stage is given what, and what is published: a plan without its frames."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import ConfigError, nearest
from pipeline.snapshots.records import FORECASTS, QUARANTINE


@dataclass(frozen=True)
class Wiring:
    """The names of a plan."""

    sources: Sequence[str]
    inputs: dict[str, Sequence[str]]
    """Of each stage, inputs before users."""
    snapshots: Mapping[str, str]
    """The stage that publishes each."""

    def upstream(self, stages: Iterable[str], leaves: Iterable[str] = ()) -> list[str]:
        """Find the stages that some stages need, themselves among them.

        The output of `leaves` is there: they are not needed, nor what is above them.
        """
        needed, given = set(stages) - set(leaves), set(leaves)
        for name in reversed(self.inputs):
            if name in needed:
                needed |= set(self.inputs[name]) - given
        return [name for name in self.inputs if name in needed]

    def downstream(self, stage: str) -> list[str]:
        """Find the stages that use a stage's output, the stage itself among them."""
        using = {stage}
        for name, inputs in self.inputs.items():
            if using & set(inputs):
                using.add(name)
        return [name for name in self.inputs if name in using]

    def stage(self, name: str) -> str:
        """Find a stage by its name or its snapshot's, or raise a ConfigError."""
        if name in self.snapshots:
            return self.snapshots[name]
        if name not in self.inputs:
            raise ConfigError(
                f"no stage '{name}'{nearest(name, self.inputs)}\n"
                f"found: {', '.join(self.inputs)}"
            )
        return name

    def frame(self, name: str) -> str:
        """Find a stage by its name or its snapshot's, or a source."""
        if name in self.sources:
            return name
        if name in (QUARANTINE, *FORECASTS):
            raise ConfigError(
                f"no stage makes '{name}'\n"
                f"hint: `just sql 'from {name}'` shows it, once it is published"
            )
        if name not in {*self.inputs, *self.snapshots}:
            known = [*self.sources, *self.inputs, *self.snapshots]
            raise ConfigError(
                f"no stage, snapshot or source '{name}'{nearest(name, known)}\n"
                f"found: {', '.join(dict.fromkeys(known))}"
            )
        return self.stage(name)


@dataclass(frozen=True)
class Selection:
    """What a run is asked to look at: all, or stages by name.

    These are a stage and all before it (``to``), a stage and all after it (``from_``),
    or one alone (``only``). What is selected is computed even where it is fresh if
    ``force`` says so.
    """

    to: str | None = None
    from_: str | None = None
    only: str | None = None
    force: bool = False

    @property
    def is_all(self) -> bool:
        """Whether everything is selected."""
        return not (self.to or self.from_ or self.only)

    def stages(self, of: Wiring) -> list[str]:
        """Find what is selected; a ConfigError if a stage is not there."""
        chosen = set(of.inputs)
        if self.to is not None:
            chosen &= set(of.upstream([of.stage(self.to)]))
        if self.from_ is not None:
            chosen &= set(of.downstream(of.stage(self.from_)))
        if self.only is not None:
            chosen &= {of.stage(self.only)}
        return [name for name in of.inputs if name in chosen]
