"""Small files of panels, as people have them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from pipeline.init import Unsure, Wishes
from pipeline.init.choose import Panel, choose
from pipeline.init.init import Written, init
from pipeline.init.look import Survey, survey

MONTHS = [date(2018 + m // 12, m % 12 + 1, 1) for m in range(40)]
DAYS = [date(2020, 1, 1) + timedelta(days=n) for n in range(90)]


def panel(
    file: Path,
    times: Iterable[object],
    units: Iterable[object] = "abc",
    *,
    names: str = "when,unit,amount",
    amount: Callable[[int, int], object] = lambda i, t: (i * 7 + t * 5) % 23,
) -> Path:
    """Write a row per unit and time, of which the amounts vary."""
    rows = [
        f"{time},{unit},{amount(i, t)}"
        for i, unit in enumerate(units)
        for t, time in enumerate(times)
    ]
    file.write_text("\n".join([names, *rows, ""]))
    return file


def surveyed(*files: Path, words: Sequence[str] = ()) -> Survey:
    """Look at files; rows are still read afterwards only by errors."""
    with survey(files, files[0].parent, words) as seen:
        return seen


def chosen(file: Path, *words: str, wishes: Wishes | None = None) -> Panel:
    """Choose of a file."""
    with survey([file], file.parent, words) as seen:
        return choose(seen, wishes or Wishes())


def refuse(question: Unsure) -> str:
    """Answer nothing, as a pipe does."""
    raise question


def made(root: Path, *files: Path, words: Sequence[str] = (), **wishes: str) -> Written:
    """Make a project; `wishes` are those of the command line."""
    entity = tuple(wishes.pop("entity", "").split(",")) if "entity" in wishes else ()
    said = Wishes(entity=entity, **wishes)
    return init(files, root, said, words, commands={"run": "Compute"}, ask=refuse)
