"""A champion that cannot be loaded is said to be none, and leaves no process."""

import asyncio
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.serving.workers import Pool, Worker


def test_a_bundle_that_is_not_there_is_not_served(tmp_path: Path) -> None:
    told = {"code": str(tmp_path), "own": "", "bundle": str(tmp_path), "others": {}}
    pool, worker = Pool("models:/a/1", lambda: told), Worker()
    with pytest.raises(ModelError, match=r"models:/a/1: cannot be loaded\nfound: .+"):
        asyncio.run(pool.load([worker]))
    assert not worker.is_alive
    assert pool.n_alive == 0
