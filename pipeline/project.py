"""A project from Python: what notebooks and scripts use.

What is public here is said, and kept, as `pipeline/README.md` has it under "What may be
relied on".
"""

import html
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime
from os import PathLike
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

import polars as pl

from pipeline.errors import PipelineError, masked, nearest
from pipeline.files.local import find_root, require_project
from pipeline.files.parquet import scan_parquet
from pipeline.log import LOG
from pipeline.plan.code import PACKAGE
from pipeline.snapshots.history import find_object
from pipeline.snapshots.lease import hold
from pipeline.snapshots.linked import RUN_ID
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.sql import current_catalog
from pipeline.snapshots.store import (
    Store,
    find_run,
    kept_runs,
    open_store,
    read_object,
    read_runs,
)

if TYPE_CHECKING:
    from pipeline.config import Tree

_ITEM = TypeVar("_ITEM")

_RAN = re.compile(rf"^run ({RUN_ID}): |fresh, as run ({RUN_ID}) left them", re.M)
"""What `just run` ends with."""

_PROGRAM = f"""
import sys
sys.path.append({str(PACKAGE.parent)!r})
from pipeline.__main__ import start
start()
"""
"""The command line, also where the package was found beside a notebook."""

_TICK_S = 0.1

_LONGEST = 60
"""Characters of a wrong value that are shown."""

_WARNING = "warning: "
_ERROR = "error: "


class Listing(Mapping[str, _ITEM], Generic[_ITEM]):
    """Things by name, in their order, that show themselves as a table."""

    def __init__(
        self,
        items: Mapping[str, _ITEM],
        what: str,
        find: Callable[[str], str] | None = None,
    ) -> None:
        self._items = dict(items)
        self._what = what
        self._find = find
        """Gives the name of what is called otherwise, too, or a PipelineError."""

    def __getitem__(self, name: str | int) -> _ITEM:
        if self._find and name not in self._items:
            with suppress(PipelineError):
                name = self._find(str(name))
        if name not in self._items:
            raise KeyError(
                f"no {self._what} '{name}'{nearest(str(name), self._items)}"
                f" (found: {', '.join(self._items) or 'none'})"
            )
        return self._items[str(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        head, *rows = self._cells()
        if not rows:
            return f"no {self._what}s"
        widths = [max(map(len, cells)) for cells in zip(head, *rows, strict=True)]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in (head, *rows)
        )

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        if not rows:
            return html.escape(repr(self))
        lines = [_html_row("th", head), *(_html_row("td", row) for row in rows)]
        return f"<table>{''.join(lines)}</table>"

    def _cells(self) -> list[list[str]]:
        """Write a line of names, and one per thing."""
        if not self._items:
            return [[]]
        one = next(iter(self._items.values()))
        names = [f.name for f in fields(cast("Any", one)) if f.repr]
        rows = [
            [_cell(getattr(item, name)) for name in names]
            for item in self._items.values()
        ]
        return [names, *rows]


def _html_row(tag: str, cells: Sequence[str]) -> str:
    """Write a row of a table."""
    inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inner}</tr>"


def _cell(value: object) -> str:
    """Write a value into a table."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case Listing():
            return str(len(cast("Listing[object]", value)))
        case tuple():
            return ", ".join(map(str, cast("tuple[object, ...]", value)))
        case Mapping():
            counts = cast("Mapping[str, object]", value).items()
            return ", ".join(f"{n} {what}" for what, n in counts)
        case _:
            return str(value)


@dataclass(frozen=True)
class Column:
    """A column of a published snapshot."""

    name: str
    dtype: str
    """As Polars calls it."""
    n_nulls: int
    description: str | None
    """What `configs/columns.yaml` says, or None."""
    unit: str | None


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of the newest run."""

    name: str
    n_rows: int
    n_bytes: int
    """Of its Parquet file."""
    key: tuple[str, ...]
    """The columns that sort it."""
    state: str
    """How the run came by it: computed, restored, fresh, or kept as it was."""
    stage: str
    """The stage that makes it; empty for the quarantine and for forecasts."""
    columns: Listing[Column]

    def __repr__(self) -> str:
        return (
            f"snapshot '{self.name}': {self.n_rows:,} rows, sorted by"
            f" {', '.join(self.key)}\n{self.columns!r}"
        )

    def _repr_html_(self) -> str:
        head = f"{self.n_rows:,} rows, sorted by {', '.join(self.key)}"
        return (
            f"<p>snapshot <b>{html.escape(self.name)}</b>: {html.escape(head)}</p>"
            f"{self.columns._repr_html_()}"  # pyright: ignore[reportPrivateUsage]
        )


@dataclass(frozen=True)
class Run:
    """A run that can be asked for."""

    run_id: str
    started_at: datetime
    """In UTC."""
    seconds: float
    """Wall time, from its start to its publication."""
    profile: str | None
    snapshots: Mapping[str, int]
    """How many were computed, restored, fresh or kept."""
    n_bad_rows: int
    """Cells that were set aside."""


@dataclass(frozen=True)
class Report:
    """What came of `Project.run`."""

    run: Run
    """The newest run, which is an earlier one if there was nothing to do."""
    is_new: bool
    """Whether anything was published."""
    snapshots: Listing[Snapshot]
    """What is published now."""

    def __repr__(self) -> str:
        return f"{self._said()}\n{self.snapshots!r}"

    def _repr_html_(self) -> str:
        table = self.snapshots._repr_html_()  # pyright: ignore[reportPrivateUsage]
        return f"<p>{html.escape(self._said())}</p>{table}"

    def _said(self) -> str:
        """Say it in a line."""
        if self.is_new:
            return f"run {self.run.run_id}: {self.run.seconds:.1f} s"
        return f"all is fresh, as run {self.run.run_id} left it: nothing to do"


class _Shown:
    """Shows in a notebook, too, the text that it is."""

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


class _Text(_Shown, str):
    """A text."""

    __repr__ = str.__str__


class Config(_Shown, dict[str, Any]):
    """A resolved configuration, which shows itself as YAML, and cannot be changed."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        super().__init__(
            (k, Config(cast("Tree", v)) if isinstance(v, dict) else v)
            for k, v in tree.items()
        )

    def __repr__(self) -> str:
        from omegaconf import OmegaConf

        return OmegaConf.to_yaml(OmegaConf.create(self._plain())).rstrip()

    def _plain(self) -> "Tree":
        """Give it as dictionaries."""
        return {k: v._plain() if isinstance(v, Config) else v for k, v in self.items()}

    def __reduce__(self) -> tuple[type["Config"], tuple["Tree"]]:
        """Copy and pickle it of what it was made of."""
        return Config, (self._plain(),)

    def __missing__(self, name: str) -> NoReturn:
        raise KeyError(f"no setting '{name}'{nearest(str(name), map(str, self))}")

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        """Say where a setting is changed."""
        raise TypeError(
            "the configuration is what files say, and cannot be changed here\n"
            "hint: p.run('lag_columns.periods=2') is a run with another value;"
            " edit configs/ to keep it"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse  # pyright: ignore
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore


class Project:
    """A project: its snapshots, stages, SQL, forecasts, and a run.

    Reads only, but for `run`; also while a run publishes. Whatever is wrong is a
    `PipelineError`, in the words of the command line, also an argument of a wrong type;
    only what is looked up with brackets raises as mappings do. Nothing is printed:
    warnings go where those of Python's `logging` go, to the logger ``pipeline``, and
    ``logging.basicConfig(level=logging.INFO)`` shows what a run says. Processes beside
    it are to be started by spawn, not by fork, once Polars was used.

    Parameters
    ----------
    path : path-like or None
        The project's folder; by default the nearest one upwards from the working
        folder that has a ``configs/pipeline.yaml``.
    profile : str or None
        Overlay of ``configs/profiles/``; of several, with commas between, the last one
        wins. What is published is as the newest run left it, whatever its profile.

    Raises
    ------
    PipelineError
        If there is no project.

    Examples
    --------
    >>> from pipeline import Project
    >>> p = Project()  # doctest: +SKIP
    >>> p.snapshot("features").head().collect()  # doctest: +SKIP
    >>> p.sql("from features where year = $year", year=2017)  # doctest: +SKIP
    """

    def __init__(
        self, path: Path | str | None = None, *, profile: str | None = None
    ) -> None:
        with _worded():
            _require(path, (str, PathLike, NoneType), "Project: the project's folder")
            _require(profile, (str, NoneType), "Project: a profile's name")
            given = None if path is None else Path(path).expanduser().resolve()
            self._root = find_root() if given is None else require_project(given)
        self._profile = profile
        self._held: tuple[object, list[RunRecord]] | None = None

    @property
    def path(self) -> Path:
        """The project's folder."""
        return self._root

    def snapshot(self, name: str, run: str | int = "latest") -> pl.LazyFrame:
        """Scan a published snapshot.

        As fast as `polars.scan_parquet` of its file, which this is. What it reads
        stays until the process ends, whatever is published or cleared up meanwhile.
        Looked at is what a reader of the catalog in SQL looks at: that the object is
        there, and as long as it was written. ``just verify`` looks at its bytes.

        Parameters
        ----------
        name : str
            A snapshot, such as ``features``.
        run : str or int
            As on the command line: ``"latest"``, ``"previous"``, -1 for the run before
            the latest, -2 for the one before that, a run's id or its beginning.

        Returns
        -------
        pl.LazyFrame
            Its rows, sorted by its key, nulls first.

        Raises
        ------
        PipelineError
            If there is no such run or snapshot, or it is no longer kept.
        """
        with _worded():
            _require(name, str, "snapshot: a snapshot's name")
            _require(run, (str, int), "snapshot: a run, such as 'latest' or -1")
            store = open_store(self._root)
            record = find_run(self._held_runs(store), str(run))
            return scan_parquet(find_object(store, record, name))

    def _held_runs(self, store: Store) -> list[RunRecord]:
        """Read the runs, the oldest first, and let what they show stay.

        Once per catalog: a run is published by another one.
        """
        if self._held is None or self._held[0] != _seen(store):
            with current_catalog(store) as catalog:
                if catalog.is_relative_to(store.catalogs):  # else it is not to stay
                    hold(catalog)
                self._held = _seen(store), read_runs(store)
        return self._held[1]

    def stage(self, name: str, *overrides: str) -> pl.LazyFrame:
        """Give the rows after any stage, published or not, as of the files of now.

        They are made of the nearest snapshots that are fresh when they are collected,
        and only as far as is asked; nothing is published.

        Parameters
        ----------
        name : str
            A stage, a snapshot, or ``source`` or another source's name for its typed
            rows.
        *overrides : str
            Words such as ``lag_columns.periods=2``.

        Returns
        -------
        pl.LazyFrame
            Those of a stage that publishes a snapshot are sorted by its key.

        Raises
        ------
        PipelineError
            If there is no such stage, the configuration is wrong, or the source is
            needed and not there.
        """
        with _worded():
            _require(name, str, "stage: a stage's name")
            _require_words("stage", overrides)
            from pipeline.plan.edited import forget_edited
            from pipeline.plan.settings import load_settings
            from pipeline.run.rows import stage_rows

            forget_edited(self._root)
            settings = load_settings(
                self._root, profile=self._profile, overrides=overrides
            )
            return stage_rows(settings, name)

    def sql(self, query: str, /, **parameters: Any) -> pl.DataFrame:
        """Ask the catalog one SELECT, as ``just sql`` does.

        It reads the snapshots, those of earlier runs (``previous.features``) and what
        is known of them (``meta.columns``); no file, no network, no frame of yours.

        Parameters
        ----------
        query : str
            SQL of DuckDB; ``$year`` stands for the parameter of this name.
        **parameters : Any
            Values, which are never read as SQL.

        Returns
        -------
        pl.DataFrame
            Intervals and what else Polars does not know come as text.

        Raises
        ------
        PipelineError
            If it is not one SELECT, or fails.
        """
        with _worded():
            _require(query, str, "sql: a SELECT as text")
            from pipeline.snapshots.result import to_frame
            from pipeline.snapshots.sql import connect, select

            with connect(open_store(self._root)) as con:
                return to_frame(select(con, query, parameters))

    def query(self, name: str, /, **parameters: Any) -> pl.DataFrame:
        """Ask a named question of ``queries/``.

        Parameters
        ----------
        name : str
            Its file's name, without ``.sql``.
        **parameters : Any
            Values for its parameters; one that is left out, or None, has its default.

        Returns
        -------
        pl.DataFrame
            As of `sql`.

        Raises
        ------
        PipelineError
            If there is no such query or parameter, a value does not fit, or it fails.
        """
        with _worded():
            _require(name, str, "query: a query's name")
            from pipeline.snapshots.queries import load_query
            from pipeline.snapshots.result import to_frame
            from pipeline.snapshots.sql import connect, run_query

            wanted = load_query(self._root / "queries", name)
            given = {k: str(v) for k, v in parameters.items() if v is not None}
            with connect(open_store(self._root)) as con:
                return to_frame(run_query(con, wanted, given))

    def run(self, *overrides: str, force: bool = False) -> Report:
        """Compute what is not fresh, and publish it, as ``just run`` does.

        In a process of its own, so that code that was edited since this one began
        counts, and memory is given back.

        Parameters
        ----------
        *overrides : str
            Words such as ``lag_columns.periods=2``.
        force : bool
            Compute what is fresh, too.

        Returns
        -------
        Report
            What is published now, and whether it is new.

        Raises
        ------
        PipelineError
            If anything is wrong; nothing is published then.
        """
        words = ["--profile", self._profile] if self._profile else []
        words += ["--force"] if force else []
        with _worded():
            _require_words("run", overrides)
            said = _command(self._root, ["run", *words, "--", *overrides])
            if (ran := _RAN.search(said)) is None:
                raise PipelineError(
                    f"run: ended without a word of what it made\n{said}"
                )
            store = open_store(self._root)
            record = find_run(read_runs(store), ran[1] or ran[2])
            return Report(_run(record), ran[1] is not None, _snapshots(store, record))

    def predict(self, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
        """Forecast from raw rows through the champion's bundle, as ``just score`` does.

        Parameters
        ----------
        frame : pl.DataFrame or pl.LazyFrame
            Rows with the columns of the source, by the names and of the kinds that
            ``configs/pipeline.yaml`` declares. What they lack of the panel is taken
            from the champion's own.

        Returns
        -------
        pl.DataFrame
            A row per good row, in their order, for the period after the last one, or
            each of the next ones: the key, ``prediction`` and its interval, Float64 in
            the target's unit; null where the stages leave out the row's entity.

        Raises
        ------
        PipelineError
            If there is no champion, or rows do not fit.
        """
        with _worded(), TemporaryDirectory(prefix="pipeline-") as folder:
            hint = "pl.from_pandas(df), pl.read_csv(file) make one"
            _require(
                frame, (pl.DataFrame, pl.LazyFrame), "predict: a frame of Polars", hint
            )
            from pipeline.modeling.score import score
            from pipeline.modeling.settings import load_modeling
            from pipeline.plan.edited import forget_edited
            from pipeline.sources import describe_bad

            forget_edited(self._root)
            settings = load_modeling(self._root, profile=self._profile)
            file = Path(folder).resolve() / "frame.parquet"
            frame.lazy().sink_parquet(file)
            try:
                scores = score(settings, file)
            except PipelineError as error:
                raise type(error)(_of_frame(str(error), file)) from error
            if not scores.bad.is_empty():
                cells = _of_frame("\n  ".join(describe_bad(scores.bad)), file)
                left = "left out of the frame: %s rows that cannot be read\n  %s"
                LOG.warning(left, scores.n_left_out, cells)
            return scores.predictions

    @property
    def config(self) -> Config:
        """The resolved configuration, as ``just config`` shows it: without secrets."""
        with _worded():
            from pipeline.modeling.settings import load_whole

            return Config(load_whole(self._root, profile=self._profile).shown)

    @property
    def snapshots(self) -> Listing[Snapshot]:
        """The snapshots of the newest run, by name; empty before the first."""
        with _worded():
            store = open_store(self._root)
            runs = read_runs(store)
            return _snapshots(store, runs[-1]) if runs else Listing({}, "snapshot")

    @property
    def runs(self) -> Listing[Run]:
        """The runs that are kept, by id, the newest first.

        Brackets take what else names a run, too: ``runs["latest"]``, ``runs[-1]``.
        """
        with _worded():
            runs = read_runs(open_store(self._root))
            by_id = {run.run_id: _run(run) for run in reversed(kept_runs(runs))}
            return Listing(by_id, "run", lambda name: find_run(runs, name).run_id)

    def __repr__(self) -> str:
        of = f", profile {self._profile}" if self._profile else ""
        return f"Project('{self._root}'){of}\n{self._shown()!r}"

    def _repr_html_(self) -> str:
        table = self._shown()._repr_html_()  # pyright: ignore[reportPrivateUsage]
        head = html.escape(repr(self).partition("\n")[0])
        return f"<p><code>{head}</code></p>{table}"

    def _shown(self) -> "Listing[Snapshot] | _Text":
        """Show what is published, or why that cannot be told: a repr raises nothing."""
        try:
            return self.snapshots
        except PipelineError as error:
            return _Text(str(error))


def _seen(store: Store) -> object:
    """Tell catalogs apart, as far as a look at the file does."""
    try:
        stat = store.catalog.stat()
    except OSError:
        return object()  # like no other
    return store.catalog.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns


def _run(record: RunRecord) -> Run:
    """Say what is known of a run."""
    states = [snapshot.state for snapshot in record.snapshots]
    return Run(
        record.run_id,
        record.started_at,
        record.total_s,
        record.profile,
        {state: states.count(state) for state in dict.fromkeys(states)},
        record.n_bad_rows,
    )


def _snapshots(store: Store, record: RunRecord) -> Listing[Snapshot]:
    """Say what a run shows; what is no longer in the store is left out."""
    found: dict[str, Snapshot] = {}
    for s in record.snapshots:
        if there := read_object(store, *s.object):
            said = record.descriptions_of(s)
            columns = {
                c.name: Column(
                    c.name,
                    c.dtype,
                    c.n_nulls,
                    (what := said.get(c.name)) and what.description,
                    what and what.unit,
                )
                for c in there.columns
            }
            found[s.name] = Snapshot(
                s.name,
                there.n_rows,
                there.n_bytes,
                tuple(s.key),
                s.state,
                s.stage,
                Listing(columns, "column"),
            )
    return Listing(found, "snapshot")


def _of_frame(text: str, file: Path) -> str:
    """Say of a frame what is said of the file that it was handed over in."""
    return text.replace(str(file), "the frame")


def _require(
    value: object, types: type | tuple[type, ...], what: str, hint: str = ""
) -> None:
    """Refuse an argument of another type."""
    if not isinstance(value, types):
        found = f"{type(value).__module__}.{type(value).__qualname__}"
        text = repr(value)
        shown = f" {text}" if len(text) <= _LONGEST and "\n" not in text else ""
        place, _, expected = what.partition(": ")
        raise PipelineError(
            f"{place}: expected {expected}, found {found.removeprefix('builtins.')}"
            f"{shown}" + (f"\nhint: {hint}" if hint else "")
        )


def _require_words(place: str, overrides: Sequence[object]) -> None:
    """Refuse overrides that are no words, as a list of them."""
    for word in overrides:
        what = f"{place}: words such as 'lag_columns.periods=2'"
        _require(word, str, what, "of a list of words, give *words")


@contextmanager
def _worded() -> Generator[None]:
    """Raise errors without what is secret, and without the way they came."""
    try:
        yield
    except PipelineError as error:
        raise type(error)(masked(str(error))) from None


def _command(root: Path, words: Sequence[str]) -> str:
    """Run a command of the command line, and return what it prints.

    What it says meanwhile is logged. A Ctrl-C is passed on, and waited for.
    """
    program = [sys.executable, "-P", "-c", _PROGRAM, "--project", str(root)]
    lines: list[str] = []
    error: list[str] = []
    with (
        TemporaryFile("w+", encoding="utf-8") as printed,
        subprocess.Popen(
            [*program, *words],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stderr
        try:
            for line in _lines(process.stderr):
                lines = [*lines[-9:], line]
                if error or line.startswith(_ERROR):
                    error.append(line.removeprefix(_ERROR))
                elif line.startswith(_WARNING):
                    LOG.warning("%s", line.removeprefix(_WARNING))
                else:
                    LOG.info("%s", line)
            status = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            while process.poll() is None:
                time.sleep(_TICK_S)
            raise
        printed.seek(0)
        said = printed.read()
    if status in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        raise KeyboardInterrupt(error[0] if error else "stopped")
    if status:
        raise PipelineError("\n".join(error or ["run: has failed", *lines]))
    return said


def _lines(stream: Iterable[str]) -> Iterator[str]:
    """Yield lines as they come.

    NOTE: Where Polars is imported, a Ctrl-C does not break off a read that waits.
    """
    found = SimpleQueue[str | None]()

    def read() -> None:
        for line in stream:
            found.put(line.rstrip())
        found.put(None)

    Thread(target=read, daemon=True).start()
    while True:
        with suppress(Empty):
            line = found.get(timeout=_TICK_S)
            if line is None:
                return
            yield line
