"""What is computed where: the rounds that a plan takes when its rows are split.

All rows are split once, by the values of one column that every transformation which
needs its rows together accepts; a grouping by several columns is satisfied by a split
on any of them. A *round* goes over all parts. A transformation that needs a small fact
of all rows ends a round: the parts give what they know of it, the next round is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.engine.parts.declared import RUN_WHOLE, split_of, try_split
from pipeline.errors import ConfigError
from pipeline.lineage.value import DIRECT
from pipeline.panel.split import ROW_WISE, Split
from pipeline.plan.plan import Plan


@dataclass(frozen=True)
class Round:
    """One pass over all parts; the first reads the source and splits it."""

    starts: tuple[str, ...]
    """Stages whose rows are there; in the first round, the source or snapshots."""
    stages: tuple[str, ...]
    """What is computed, inputs before users."""
    spills: tuple[str, ...]
    """Stages whose rows are kept for later rounds."""
    facts: tuple[str, ...]
    """Stages of whose fact each part gives its share."""
    snapshots: tuple[str, ...]
    """Stages whose rows are sorted and kept, to be published."""
    counts: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """A plan in rounds."""

    column: str
    """Whose values decide on a row's part; rows of one value stay together."""
    rounds: tuple[Round, ...]
    """The first goes over the files of the source, the others over the parts."""
    wholes: tuple[str, ...]
    """Stages whose output is a small table, and is not split."""


def lay_out(
    plan: Plan, stages: Sequence[str], given: Iterable[str], publish: Sequence[str]
) -> Layout:
    """Decide by which column to split, and what each round computes.

    `stages` must be computed, inputs before users; of those in `publish` the rows are
    wanted, sorted by their key. `given` is there before: the source, or snapshots.

    A ConfigError if a transformation does not say how it may be split, or says what
    cannot be true of its columns; if no column suits all, or a small table lacks it
    that a stage is given beside rows that are split.
    """
    return _Builder(plan, stages, publish).build(tuple(given))


class _Builder:
    """Works out the rounds of one layout."""

    def __init__(
        self, plan: Plan, stages: Sequence[str], publish: Sequence[str]
    ) -> None:
        self.plan, self.stages, self.publish = plan, stages, publish
        self.splits = {name: split_of(plan.nodes[name].stage) for name in stages}
        self.inputs = {name: plan.nodes[name].stage.inputs for name in stages}
        for name, split in self.splits.items():
            given = [plan.schema(input_) for input_ in self.inputs[name]]
            try_split(plan.nodes[name].stage, split, given, plan.schema(name))
        self.wholes: list[str] = []
        self.known: set[str] = set()
        for name in stages:
            if self.splits[name].is_whole or set(self.inputs[name]) <= {*self.wholes}:
                self.wholes.append(name)
        self.parted = [name for name in stages if name not in self.wholes]
        self.column = self._column()
        self._refuse_small_tables_without_the_column()
        self.alike = plan.alike(self.parted)

    def build(self, given: tuple[str, ...]) -> Layout:
        """Add rounds until everything is computed."""
        first = self._first(given)
        rounds = [first]
        available = set(first.spills)
        counted, published = set(first.counts), set[str]()
        while not self._is_done(published, counted):
            computable = self._computable(available)
            facts = self._facts(available | computable)
            new = [s for s in self.parted if s in available | computable]
            snapshots = [s for s in new if s in self.publish and s not in published]
            counts = [s for s in new if s not in counted and self.alike[s] == s]
            spills = self._worth_keeping(available, computable)
            needed = self._inputs_of(facts)
            targets = {*snapshots, *counts, *spills, *needed} - available
            assert targets or facts, "every round must bring something"
            run = self.plan.upstream(targets, available | {*self.wholes})
            starts = self._inputs_of(run) | {*snapshots, *needed}
            rounds.append(
                Round(
                    starts=_ordered([*given, *self.parted], starts & available),
                    stages=tuple(run),
                    spills=_ordered(self.parted, spills),
                    facts=tuple(facts),
                    snapshots=tuple(snapshots),
                    counts=tuple(counts),
                )
            )
            self.known |= {*facts}
            available |= spills
            counted |= {*counts}
            published |= {*snapshots}
        return Layout(self.column, tuple(rounds), tuple(self.wholes))

    def _first(self, given: tuple[str, ...]) -> Round:
        """Read the source: what any row may do alone, until it is narrow and split."""
        before, alone = self._row_wise(given)
        # Any rows may be in one slice of what is read.
        facts = tuple(n for n in self._facts(alone) if not self.splits[n].keys)
        told = {*facts} & {*self.wholes}
        behind = [name for name in self.stages if name not in {*before, *told}]
        spills = self._inputs_of(behind) & {*given, *before}
        spills |= {*before} & {*self.publish}
        for name in spills:
            if self.column not in self.plan.schema(name):
                raise ConfigError(
                    f"'{name}' has no column '{self.column}' to split its rows by\n"
                    f"found: {', '.join(self.plan.schema(name))}\n"
                    f"hint: {RUN_WHOLE}"
                )
        self.known |= {*facts}
        needed = self._inputs_of(facts) | spills | {*before}
        run = self.plan.upstream(needed - {*given}, given)
        return Round(
            given,
            tuple(run),
            _ordered([*given, *before], spills),
            facts,
            (),
            tuple(name for name in before if self.alike[name] == name),
        )

    def _row_wise(self, given: tuple[str, ...]) -> tuple[list[str], set[str]]:
        """Choose what is done before the split, of all that any row may do alone."""
        making = [name for name in self.parted if self._makes_column(name)]
        forced = self.plan.upstream(making, given)
        before: list[str] = []
        alone = {*given}
        for name in self.parted:
            if self.splits[name] != ROW_WISE or not alone.issuperset(self.inputs[name]):
                continue
            alone.add(name)
            is_first = {*given, *before}.issuperset(self.inputs[name])
            if is_first and (name in forced or self._comes_before(name)):
                before.append(name)
        if late := [name for name in making if name not in before]:
            raise ConfigError(
                f"stage '{late[0]}' makes '{self.column}' anew, behind stages whose"
                " rows must have been split by it\n"
                f"hint: move the stage up, or {RUN_WHOLE}"
            )
        return before, alone

    def _inputs_of(self, names: Iterable[str]) -> set[str]:
        """Collect what stages are given."""
        return {given for name in names for given in self.inputs[name]}

    def _makes_column(self, name: str) -> bool:
        """Tell whether a stage makes the column anew."""
        return makes_anew(self.plan, name, self.splits[name], self.column)

    def _comes_before(self, name: str) -> bool:
        """Tell whether a row-wise stage is better done before the rows are split."""
        schemas = [self.plan.schema(given) for given in self.inputs[name]]
        is_there = all(self.column in schema for schema in schemas)
        return not is_there or len(self.plan.schema(name)) < min(map(len, schemas))

    def _computable(self, available: set[str]) -> set[str]:
        """Find what can be computed of the rows that are there and the known facts."""
        found: set[str] = set()
        for name in self.parted:
            inputs = available | found | self._known_wholes()
            told = self.splits[name].fact is None or name in self.known
            if told and inputs.issuperset(self.inputs[name]) and name not in available:
                found.add(name)
        return found

    def _facts(self, there: set[str]) -> tuple[str, ...]:
        """Find the stages of whose fact something can be told."""
        there = there | self._known_wholes()
        return tuple(
            name
            for name in self.stages
            if self.splits[name].fact is not None
            and name not in self.known
            and not set(self.inputs[name]) <= {*self.wholes}
            and there.issuperset(self.inputs[name])
        )

    def _known_wholes(self) -> set[str]:
        """List the small tables that are there."""
        known: set[str] = set()
        for name in self.wholes:
            if name in self.known or known.issuperset(self.inputs[name]):
                known.add(name)
        return known

    def _worth_keeping(self, available: set[str], computable: set[str]) -> set[str]:
        """Choose what to keep for later rounds.

        A stage that only adds columns is computed again instead, at less cost than
        writing and reading its rows.
        """
        blocked = set(self.parted) - available - computable
        needed = self._inputs_of(blocked) & computable
        there = {self.alike[name] for name in available if name in self.alike}
        return {name for name in needed if self.alike[name] not in there}

    def _is_done(self, published: set[str], counted: set[str]) -> bool:
        """Tell whether nothing is left to be computed."""
        wanted = {name for name in self.publish if name not in self.wholes}
        return (
            published >= wanted
            and counted >= {n for n in self.parted if self.alike[n] == n}
            and self._known_wholes() >= {*self.wholes}
        )

    def _column(self) -> str:
        """Choose the first column that every grouping has among its keys."""
        keyed = {n: self.splits[n].keys for n in self.parted if self.splits[n].keys}
        if not keyed:
            nodes = [self.plan.nodes[name] for name in self.parted or self.stages]
            keys = [node.stage.key for node in nodes if node.stage.key]
            return keys[-1][0] if keys else next(iter(nodes[-1].schema))
        first = next(iter(keyed.values()))
        common = [key for key in first if all(key in keys for keys in keyed.values())]
        if not common:
            lines = "\n".join(f"  {name}: {', '.join(k)}" for name, k in keyed.items())
            raise ConfigError(
                "no column by which the rows of all stages can be split\n"
                f"found:\n{lines}\n"
                f"hint: {RUN_WHOLE}"
            )
        return common[0]

    def _refuse_small_tables_without_the_column(self) -> None:
        """Refuse stages of which no one can tell to which part a table's rows belong.

        Given whole to every part, they would come out once per part.
        """
        for name in self.stages:
            if set(self.inputs[name]) <= {*self.wholes}:
                continue
            for given in self.inputs[name]:
                if given in self.wholes and self.column not in self.plan.schema(given):
                    raise ConfigError(
                        f"stage '{name}' is given the small table '{given}' beside"
                        f" rows that are split by '{self.column}', a column it lacks\n"
                        f"found: {', '.join(self.plan.schema(given))}\n"
                        f"hint: {RUN_WHOLE}"
                    )


def _ordered(names: Sequence[str], chosen: Iterable[str]) -> tuple[str, ...]:
    """List the chosen names in the order of all."""
    return tuple(name for name in names if name in set(chosen))


def makes_anew(plan: Plan, name: str, split: Split, column: str) -> bool:
    """Tell whether a column's values may be others than a stage was given.

    Those that keep rows of a key together have promised that they are not.
    """
    if split.keys or column not in plan.schema(name):
        return False
    edges = plan.edges(name)
    sources = {(e.input_column, e.kind) for e in edges if e.column == column}
    return sources != {(column, DIRECT[0])}
