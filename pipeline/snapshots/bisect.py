"""Find the first kept run in which a statement in SQL became true."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import QueryError, SnapshotError, n_of, some
from pipeline.process import when_asked
from pipeline.progress import each
from pipeline.snapshots.core import duckdb
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.sql import connect_to, select
from pipeline.snapshots.store import Store, kept_runs, read_object, read_runs


@dataclass(frozen=True)
class Answer:
    """What a statement is in a run; where it cannot be asked, it is not true."""

    run: RunRecord
    word: str
    """``true``, ``false``, ``null``, ``no row``, or why it could not be asked."""
    is_asked: bool

    @property
    def is_true(self) -> bool:
        """Whether it is true, and nothing less."""
        return self.word == "true"

    def __str__(self) -> str:
        return f"{self.run.run_id}  {self.run.started_at:%d %b %H:%M}  {self.word}"


@dataclass(frozen=True)
class Bisection:
    """What a statement is in each kept run, the oldest first."""

    answers: tuple[Answer, ...]
    n_gone: int
    """Runs before them, whose snapshots are no longer kept."""
    contents: Mapping[tuple[str, str], str]
    """The content hash of each object that is there."""

    @property
    def first(self) -> Answer | None:
        """The first run that made it true; the oldest, if it always was."""
        pairs = zip(self.answers, self.answers[1:], strict=False)
        became = [now for before, now in pairs if now.is_true and not before.is_true]
        oldest = self.answers[0]
        return became[0] if became else oldest if oldest.is_true else None

    @property
    def before(self) -> Answer | None:
        """The run before the first one, if one is kept."""
        found = self.first
        place = self.answers.index(found) if found else 0
        return self.answers[place - 1] if place else None

    @property
    def lost(self) -> tuple[Answer, ...]:
        """The runs after the first one in which it is no longer true."""
        found = self.first
        after = self.answers[self.answers.index(found) :] if found else ()
        return tuple(answer for answer in after if not answer.is_true)

    def lines(self) -> Iterator[str]:
        """Write the answer of each run, then which was the first that made it true."""
        yield from map(str, self.answers)
        gone = ""
        if self.n_gone:
            gone = f"; nothing is kept of {n_of(self.n_gone, 'run')} before"
        first, before = self.first, self.before
        if first is None:
            yield f"true in none of the {len(self.answers)} kept runs{gone}"
            return
        name = first.run.run_id
        if before is None and self.lost:
            ended = self.lost[0].run.run_id
            yield f"true in the first kept run, no longer since {ended}{gone}"
        elif before is None:
            yield f"true from the first kept run on, {name}{gone}"
        else:
            was_not = f"not in {before.run.run_id}, the one before"
            yield f"became true in run {name}; {was_not}"
        if self.lost and before is not None:
            names = ", ".join(answer.run.run_id for answer in self.lost)
            yield f"  no longer true in {names}"
        if before is not None:
            if first.run.restores:
                yield f"  it restores run {first.run.restores}"
            was, is_ = self._rows_of(before.run), self._rows_of(first.run)
            others = [name for name in is_ if is_[name] != was.get(name)]
            yield f"  other rows in: {some(others) or 'none'}"

    def _rows_of(self, run: RunRecord) -> dict[str, object]:
        """Say by hash what is in each snapshot of a run."""
        return {s.name: self.contents.get(s.object, s.object) for s in run.snapshots}


def bisect(store: Store, sql: str) -> Bisection:
    """Ask every kept run whether a statement is true of its snapshots.

    Runs are kept in tens, and a statement need not stay true once it is: so none is
    left out, and what is found is so whatever the statement.

    Raises
    ------
    QueryError
        If it is no SELECT of one boolean, or can be asked of no run.
    SnapshotError
        If there is no run.
    """
    runs = read_runs(store)
    if not runs:
        raise SnapshotError("there are no runs yet\nhint: `just run` makes the first")
    kept = kept_runs(runs)
    answers = tuple(_answers(store, kept, sql))
    if not any(answer.is_asked for answer in answers):
        faults = dict.fromkeys(answer.word for answer in answers)
        raise QueryError(
            f"bisect: no kept run can answer\nfound: {'; '.join(faults)}\n"
            "hint: `just sql` asks the newest run alone"
        )
    shown = {s.object for run in kept for s in run.snapshots}
    there = {key: read_object(store, *key) for key in shown}
    contents = {key: of.content_hash for key, of in there.items() if of}
    return Bisection(answers, len(runs) - len(kept), contents)


def _answers(store: Store, runs: Sequence[RunRecord], sql: str) -> Iterator[Answer]:
    """Ask each run; one that shows the same objects as another gives its answer."""
    known: dict[frozenset[tuple[str, str]], tuple[str, bool]] = {}
    for run in each(runs, "asking runs"):
        objects = frozenset(s.object for s in run.snapshots)
        if objects not in known:
            known[objects] = _ask(store, run, sql)
        yield Answer(run, *known[objects])


def _ask(store: Store, run: RunRecord, sql: str) -> tuple[str, bool]:
    """Say what a statement is in a run, or why not, and whether it could be asked."""
    with connect_to(store, run) as con, when_asked(con.interrupt):
        try:
            asked = select(con, sql)
            is_boolean = asked.types == ["BOOLEAN"]
            rows = asked.fetchall(rest="LIMIT 2") if is_boolean else []
        except (QueryError, duckdb.Error) as error:
            cause = error.__cause__ if isinstance(error, QueryError) else error
            if cause is None or isinstance(cause, duckdb.ParserException):
                raise  # what no run could answer
            return _why_not(store, run, cause), False
    if not is_boolean or len(rows) > 1:
        found = "several rows" if len(rows) > 1 else ", ".join(asked.types)
        raise QueryError(
            f"bisect: expected one boolean, found {found}\n"
            'hint: a statement such as "select count(*) = 0 from features where ..."'
        )
    if not rows:
        return "no row", True
    [(value,)] = rows
    return "null" if value is None else str(value).lower(), True


def _why_not(store: Store, run: RunRecord, error: BaseException) -> str:
    """Say why a run cannot be asked."""
    text = str(error).strip().splitlines()[0]
    for snapshot in run.snapshots:
        asked = f"Table with name {snapshot.name} does not exist"
        if asked.lower() in text.lower() and not read_object(store, *snapshot.object):
            return f"cannot be asked: '{snapshot.name}' is no longer in the store"
    is_of_names = isinstance(error, duckdb.CatalogException | duckdb.BinderException)
    return f"{'not there' if is_of_names else 'fails'}: {text}"
