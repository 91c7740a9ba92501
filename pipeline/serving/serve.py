"""Run a server: load the champion, answer, and follow who is champion."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn

from pipeline.errors import ModelError, PipelineError
from pipeline.log import LOG
from pipeline.modeling.forecast import champion_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking.tracking import database
from pipeline.serving.app import State, make_app
from pipeline.serving.champion import Champion, load
from pipeline.serving.workers import Worker

_LOOK_S = 1.0
"""How often it is looked who is champion: at the time of the registry's file."""

_BACKLOG = 2048


class _Server(uvicorn.Server):
    """One that leaves signals to who runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0 is any free one. A ModelError if it cannot be had."""
    try:
        return socket.create_server((host, port), backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ModelError(
            f"{host}:{port}: cannot be listened on\nfound: {error}\n"
            "hint: choose another one, as `just serve --port 8001`"
        ) from error


def serve(
    settings: ModelingSettings,
    listening: socket.socket,
    workers: Sequence[Worker],
    say: Callable[[str], object],
) -> None:
    """Answer until the process is asked to stop; requests at work are answered first.

    A PipelineError if there is no champion, or it cannot be loaded.
    """
    state = State(settings.pipeline.serving)
    host = listening.getsockname()[0]
    if state.serving.token is None and not ip_address(host).is_loopback:
        LOG.warning("%s: whoever reaches it may ask: serving.token is not set", host)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        make_app(state),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(state.serving.timeout_s) + 1,
    )
    server = _Server(config)
    asyncio.run(_served(settings, state, server, listening, workers, say))


async def _served(
    settings: ModelingSettings,
    state: State,
    server: uvicorn.Server,
    listening: socket.socket,
    workers: Sequence[Worker],
    say: Callable[[str], object],
) -> None:
    """Serve, load and follow side by side."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        server.should_exit = True

    with TemporaryDirectory(prefix="pipeline-") as work:
        answering = asyncio.create_task(server.serve([listening]))
        while not server.started and not answering.done():
            await asyncio.sleep(0.01)
        before = signal.signal(signal.SIGINT, stop)
        following = asyncio.create_task(
            _follow(settings, state, workers, Path(work), say)
        )
        try:
            await asyncio.wait(
                [answering, following], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            server.should_exit = True
            await answering
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            if state.champion:
                state.champion.pool.end()
            signal.signal(signal.SIGINT, before)


async def _follow(
    settings: ModelingSettings,
    state: State,
    workers: Sequence[Worker],
    work: Path,
    say: Callable[[str], object],
) -> None:
    """Load the champion, and each that comes after it, for good."""
    registry, n_loaded = database(settings.root), 0
    seen = _changed_at(registry)
    version = await asyncio.to_thread(champion_of, settings)
    while True:
        folder = work / str(n_loaded)
        folder.mkdir()
        n_loaded += 1
        try:
            loaded = await load(settings, version, workers, folder)
        except PipelineError as error:
            if state.champion is None:
                raise
            _stay(state, state.champion, error)
        else:
            replaced, state.champion, state.stays = state.champion, loaded, None
            say(f"{version.uri} is ready")
            if replaced:
                state.metrics.count("champions_taken_over")
                replaced.pool.end()
        failed = version
        while True:
            await asyncio.sleep(_LOOK_S)
            now = _changed_at(registry)
            if now == seen:
                continue
            seen = now
            try:
                version = await asyncio.to_thread(champion_of, settings)
            except PipelineError as error:
                _stay(state, state.champion, error)
                continue
            if version == state.champion.version:
                state.stays = None
            elif version != failed:
                break
        workers = [Worker() for _ in workers]


def _stay(state: State, champion: Champion, error: PipelineError) -> None:
    """Go on with the last champion, and say and count why, once."""
    if state.stays != str(error):
        state.stays = str(error)
        state.metrics.count("champions_not_loaded")
        LOG.warning("%s stays: %s", champion.version.uri, error)


def _changed_at(file: Path) -> tuple[int, ...]:
    """Tell when a database was written last, its journal included."""
    found: list[int] = []
    for path in (file, file.with_name(f"{file.name}-wal")):
        with suppress(OSError):
            found.append(path.stat().st_mtime_ns)
    return tuple(found)
