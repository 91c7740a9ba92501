"""From files to the files of a project, or a refusal before anything is written."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import ConfigError, n_of, some
from pipeline.files.local import odd_path
from pipeline.init.choice import Choice, Unsure, Wishes
from pipeline.init.choose import Panel, choose
from pipeline.init.look import Survey, survey
from pipeline.init.write import files_of
from pipeline.modeling.settings import load_modeling
from pipeline.progress import doing
from pipeline.run.run import check

Ask = Callable[[Unsure], str]
"""Asks who is there; raises the question where nobody is."""


@dataclass(frozen=True)
class Written:
    """What was made, and why."""

    files: list[Path]
    choices: list[Choice]
    notes: list[str]


def init(
    files: Sequence[Path],
    root: Path,
    wishes: Wishes,
    words: Sequence[str] = (),
    *,
    commands: Mapping[str, str],
    ask: Ask,
) -> Written:
    """Make a project in a folder for the table in some files.

    `words` are settings of the source and kinds of columns, `commands` those that get
    a recipe, by what each does. Where something is chosen
    among several, `ask` is asked. A PipelineError of what cannot be read or told, or of
    a file that would be overwritten; nothing is written then.
    """
    _require_room(root, ["configs/pipeline.yaml"])
    with survey(files, root, words) as seen:
        panel = _chosen(seen, wishes, ask)
        texts = files_of(seen, panel, commands)
        notes = list(_notes(seen, panel))
        _require_room(root, texts)
        _try(texts)
    written = _write(root, texts)
    choices = [Choice("source", *_of_source(seen)), *panel.choices]
    return Written(written, choices, notes)


@doing("choosing time, entity and target")
def _chosen(seen: Survey, wishes: Wishes, ask: Ask) -> Panel:
    """Choose, and ask what cannot be told."""
    while True:
        try:
            return choose(seen, wishes)
        except Unsure as question:
            answer = ask(question)
            wishes = wishes.with_answer(question.what, answer)


def _of_source(seen: Survey) -> tuple[str, str, str]:
    """Say what was read."""
    rest = {k: v for k, v in seen.source.items() if k not in ("kind", "path")}
    settings = "".join(f", {key} {value!r}" for key, value in rest.items())
    n = len(seen.files)
    files = f"{n} files, " if n > 1 else ""
    saw = f"{files}{seen.n_rows:,} rows, {len(seen.columns)} columns{settings}"
    return str(seen.source["path"]), saw, "sure"


def _notes(seen: Survey, panel: Panel) -> Iterator[str]:
    """Say what else one should know."""
    for name, why in seen.left_out.items():
        yield f"{name} is left out: {why}"
    for column in seen.columns.values():
        if column.n_bad:
            n_bad = n_of(column.n_bad, "cell")
            yield f"{column.name}: no {column.kind} in {n_bad}; rows set aside by a run"
    for name in (panel.time, *panel.entity):
        if name in seen.columns and (n_null := seen.columns[name].n_null):
            yield f"{name}: {n_of(n_null, 'row')} without, set aside by a run"
    if zone := seen.zones.get(panel.time):
        yield f"{panel.time}: from {zone} to UTC, of which hours and days are"
    if panel.n_absent:
        yield (
            f"no row of {n_of(panel.n_absent, 'period')} between an entity's first"
            " and last; `stages` in configs/pipeline.yaml say what of it"
        )
    if panel.n_missing:
        n_missing = n_of(panel.n_missing, "period")
        yield f"no entity has a row of {n_missing}: `panel.missing_periods`"
    if panel.n_short:
        yield f"one period only: {panel.n_short:,} of {panel.n_entities:,} entities"
    if panel.is_resampled:
        yield (
            "several rows of an entity in one period become one: sums of whole numbers,"
            " means of others; `resample` in configs/pipeline.yaml says which"
        )


def _require_room(root: Path, names: Sequence[str] | dict[str, str]) -> None:
    """Refuse to overwrite."""
    if fault := odd_path(str(root)):
        raise ConfigError(f"{str(root)!a}: {fault}\nhint: give the folder another name")
    there = [name for name in names if (root / name).exists()]
    if there:
        raise ConfigError(
            f"{root}: holds what would be overwritten\n"
            f"found: {some(there)}\nexpected: none of these\n"
            "hint: --project DIR makes the project in another folder"
        )


def _try(texts: dict[str, str]) -> None:
    """Hold the settings to all that is checked before data are read."""
    with TemporaryDirectory(prefix="pipeline-init-") as folder:
        _put(Path(folder), texts)
        check(load_modeling(Path(folder)).pipeline)


def _write(root: Path, texts: dict[str, str]) -> list[Path]:
    """Write all files, or none."""
    with _undone(root, texts):
        return _put(root, texts)


@contextmanager
def _undone(root: Path, texts: dict[str, str]) -> Generator[None]:
    """Take away what was written if not all could be."""
    paths = [root / name for name in texts]
    folders = {f for p in paths for f in p.parents if not f.exists()}
    try:
        yield
    except BaseException:
        for path in paths:
            with suppress(OSError):
                path.unlink()
        for folder in sorted(folders, reverse=True):
            if folder.is_dir():
                folder.rmdir()
        raise


def _put(root: Path, texts: dict[str, str]) -> list[Path]:
    """Write files."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [root / name for name in texts]
