"""What is found out of stages is kept, and never stands in for that of others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plan import code, needs, plan
from pipeline.plan.content import Memo
from pipeline.plan.found import keeping
from pipeline.plan.settings import Settings
from pipeline.run.freshness import look
from pipeline.run.run import check
from pipeline.snapshots.store import open_store

Load = Callable[..., Settings]


def ask(load: Load) -> tuple[object, ...]:
    """Say what depends on the tables, in a process that has found nothing yet."""
    settings = load()
    composed = check(settings)
    store = open_store(settings.root)
    wanted = look(settings, composed, store, [], fetched=True)
    meaning = code.hash_of_meaning(code.source_of("pipeline/run/run.py"))
    alike = composed.alike(composed.nodes)
    return (
        composed.lineage(),
        alike,
        wanted.fingerprints,
        wanted.code_elsewhere,
        meaning,
    )


def forget() -> None:
    """Be a process that begins."""
    tables = (plan.EDGES, plan.KEEPS_ROWS, needs.NEEDS, code.IMPORTS, code.MEANINGS)
    for table in tables:
        table.clear()


def ask_with_kept(load: Load, root: Path) -> tuple[object, ...]:
    """Ask in a process that begins with what is kept."""
    forget()
    with keeping(Memo(root, "stages", None, ())):
        return ask(load)


@pytest.fixture
def kept(project: Path, load: Load, later: Callable[[], None]) -> tuple[object, ...]:
    """What a process found out, and has kept."""
    open_store(project).folder.mkdir()
    later()
    return ask_with_kept(load, project)


def test_what_is_kept_is_not_found_out_again(
    kept: tuple[object, ...],
    project: Path,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    for what in (
        *("plan.plan.trace_function", "plan.plan.has_as_many_rows"),
        *("plan.needs._is_same", "plan.code.ast"),
    ):
        monkeypatch.setattr(f"pipeline.{what}", refuse)
    assert ask_with_kept(load, project) == kept


@pytest.mark.parametrize(
    "edit",
    [
        ("min_total: 555", "min_total: 556"),
        ("{factor: mean_profit", "{factor: mean_cost"),
    ],
    ids=["a value", "a column"],
)
def test_edited_stages_are_looked_at_anew(
    kept: tuple[object, ...],
    project: Path,
    load: Load,
    later: Callable[[], None],
    edit: tuple[str, str],
) -> None:
    file = project / "configs" / "pipeline.yaml"
    assert edit[0] in file.read_text()
    file.write_text(file.read_text().replace(*edit))
    later()
    found = ask_with_kept(load, project)
    forget()
    assert found == ask(load) != kept
