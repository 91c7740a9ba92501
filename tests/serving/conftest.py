"""The champion of the golden rows, held by a process."""

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette

from pipeline.modeling.forecast import champion_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.plan.serving import Serving
from pipeline.serving.app import State, make_app
from pipeline.serving.champion import load
from pipeline.serving.workers import Worker
from tests.modeling.conftest import LENIENT, load_in, prepared, promoted

__all__ = ["prepared", "promoted"]


class Served(NamedTuple):
    """An application with a champion."""

    app: Starlette
    state: State
    settings: ModelingSettings


@pytest.fixture(scope="module")
def served(
    promoted: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Served]:
    """The application, with one process; not to change."""
    settings = load_in(promoted, *LENIENT, "source.max_bad_rows=1")
    state = State(Serving(max_explained=5))
    work, version = tmp_path_factory.mktemp("work"), champion_of(settings)
    state.champion = asyncio.run(load(settings, version, [Worker()], work))
    yield Served(make_app(state), state, settings)
    state.champion.pool.end()
