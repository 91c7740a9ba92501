"""A champion that cannot be loaded is said to be none, and leaves no process."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.serving import workers
from pipeline.serving.workers import Ended, Failed, Pool, Worker


def test_a_bundle_that_is_not_there_is_not_served(tmp_path: Path) -> None:
    told = {"code": str(tmp_path), "own": "", "bundle": str(tmp_path), "others": {}}
    pool, worker = Pool("models:/a/1", lambda: told), Worker()
    with pytest.raises(ModelError, match=r"models:/a/1: cannot be loaded\nfound: .+"):
        asyncio.run(pool.load([worker]))
    assert not worker.is_alive
    assert pool.n_alive == 0


class Double(Worker):
    """A worker without a process, which ends, fails or answers."""

    def __init__(self, fault: Failed | None) -> None:
        self.fault = fault

    async def ask(self, head: dict[str, Any], table: bytes = b"") -> Any:
        if self.fault and "what" in head:
            raise self.fault
        return {"has_short_way": True}, b"made"

    def end(self) -> None:
        pass


@pytest.mark.parametrize("fault", [Ended("gone"), Failed("cannot")], ids=str)
def test_what_was_asked_of_a_process_that_ended_is_asked_of_another(
    fault: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked() -> bytes:
        pool = Pool("models:/a/1", dict)
        await pool.load([Double(fault)])
        return (await pool.ask("predict", b"rows"))[1]

    monkeypatch.setattr(workers, "Worker", lambda: Double(None))
    if isinstance(fault, Ended):
        assert asyncio.run(asked()) == b"made"
    else:
        with pytest.raises(Failed, match="cannot"):
            asyncio.run(asked())
