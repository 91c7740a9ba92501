"""Processes that hold a champion, and what is asked of them.

Imports neither Polars nor what knows models: processes are started while these are
still being imported.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pipeline.errors import ModelError, PipelineError
from pipeline.log import LOG
from pipeline.serving import worker_main

_ONE_THREAD = dict.fromkeys(
    ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)
"""Rows of a request are few: threads would wait for each other."""

_ALONE = {
    **_ONE_THREAD,
    # What Python compiled of the bundle's code would be run unseen.
    "PYTHONDONTWRITEBYTECODE": "1",
    "_RJEM_MALLOC_CONF": "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0",
}
"""Of the environment of a process of ours."""

_PAUSE_S = 1.0
"""Before a process is started again that did not come up."""


class Refused(Exception):
    """What the champion says of rows that it cannot use."""


class Failed(Exception):
    """A process that has ended, or does not know what is asked of it."""


class Ended(Failed):
    """A process that has ended."""


def use_one_thread() -> None:
    """Let libraries that are not imported yet have one thread, if no more is asked."""
    for name, n in _ONE_THREAD.items():
        os.environ.setdefault(name, n)


class Worker:
    """A process; it is asked one thing after the other."""

    def __init__(self) -> None:
        self._stream, theirs = socket.socketpair()
        self._stream.setblocking(False)
        with theirs:
            program = str(worker_main.__file__)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", program, str(theirs.fileno())],
                env=os.environ | _ALONE,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for the server alone
            )

    async def ask(self, head: dict[str, Any], table: bytes = b"") -> Any:
        """Send a message, and wait for the answer.

        Raises
        ------
        Refused
            If the champion refuses the rows.
        Failed
            If it could not do it, or the process has ended.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._stream, worker_main.message(head, table))
            lengths = worker_main.LENGTHS.unpack(
                await self._take(worker_main.LENGTHS.size)
            )
            told = json.loads(await self._take(lengths[0]))
            made = await self._take(lengths[1])
        except (EOFError, OSError) as error:
            raise Ended("the process that holds the champion has ended") from error
        if "refused" in told:
            raise Refused(told["refused"])
        if "error" in told:
            raise Failed(told["error"])
        return told, made

    async def _take(self, n_bytes: int) -> bytes:
        """Take so many bytes."""
        loop, taken = asyncio.get_running_loop(), bytearray()
        while len(taken) < n_bytes:
            more = await loop.sock_recv(
                self._stream, min(n_bytes - len(taken), 1 << 20)
            )
            if not more:
                raise EOFError
            taken += more
        return bytes(taken)

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process, whatever it is at."""
        self._stream.close()
        self._process.kill()
        self._process.wait()


class Pool:
    """The processes of one champion."""

    def __init__(self, uri: str, tell: Callable[[], dict[str, Any]]) -> None:
        self._uri = uri
        self._tell = tell
        """Gives what a process is told first."""
        self._workers: set[Worker] = set()
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._n_using = 0
        self._is_ending = False

    async def load(self, workers: Sequence[Worker]) -> bool:
        """Let processes load the champion; say if they can go the short way.

        A ModelError if one cannot load it; then all have ended.
        """
        self._workers |= {*workers}
        try:
            told = await asyncio.gather(*map(self._load, workers))
        except Failed as error:
            self._end()
            raise ModelError(
                f"{self._uri}: cannot be loaded\nfound: {error}\n"
                "hint: its files are as they were registered; `just env` installs the"
                " libraries it needs"
            ) from error
        for worker in workers:
            self._idle.put_nowait(worker)
        return all(told)

    async def _load(self, worker: Worker) -> bool:
        """Let one load it."""
        head, _ = await worker.ask(await asyncio.to_thread(self._tell))
        return head["has_short_way"]

    @property
    def n_alive(self) -> int:
        """The number of processes that are there."""
        return sum(worker.is_alive for worker in self._workers)

    @asynccontextmanager
    async def used(self) -> AsyncGenerator[None]:
        """Keep the processes as long as something may be asked of them."""
        self._n_using += 1
        try:
            yield
        finally:
            self._n_using -= 1
            if self._is_ending and not self._n_using:
                self._end()

    async def ask(self, what: str, table: bytes) -> Any:
        """Ask the next process that has nothing to do; another one if it ends at it.

        One that fails, or is not waited for any more, ends, and another one comes.
        """
        try:
            return await self._ask(what, table)
        except Ended as error:
            LOG.warning("%s: %s: another one is asked", self._uri, error)
            return await self._ask(what, table)

    async def _ask(self, what: str, table: bytes) -> Any:
        """Ask the next process that has nothing to do."""
        worker = await self._idle.get()
        try:
            answer = await worker.ask({"what": what}, table)
        except Refused:
            self._idle.put_nowait(worker)
            raise
        except BaseException:
            self._replace(worker)
            raise
        self._idle.put_nowait(worker)
        return answer

    def end(self) -> None:
        """End the processes as soon as nobody uses them."""
        self._is_ending = True
        if not self._n_using:
            self._end()

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _replace(self, worker: Worker) -> None:
        """End a process, and start another one in the background."""
        self._workers.discard(worker)
        worker.end()
        task = asyncio.create_task(self._start_again())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_again(self) -> None:
        """Start a process until one comes up."""
        while True:
            worker = Worker()
            self._workers.add(worker)
            with contextlib.suppress(Failed, PipelineError):
                await self._load(worker)
                self._idle.put_nowait(worker)
                return
            LOG.warning("%s: a process did not come up", self._uri)
            self._workers.discard(worker)
            worker.end()
            await asyncio.sleep(_PAUSE_S)
