"""Ask a server of the champion, one client at a time and many at once.

Timed is a request, from its first byte to the last of the answer, over a connection
that stays: all rows that a facility had in the last year, as JSON. Not timed are the
start, which is told apart, and two seconds before the first figures. Clients and server
share the machine. An answer that is none ends the benchmark.

``python -m benchmarks.serving PROJECT [PROFILE]`` prints the bodies that are sent.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import ROWS, figures_of
from benchmarks.processes import Timing, environment, run_process, synthetic
from benchmarks.projects import make_project
from benchmarks.records import BenchmarkFigure

SERVING = "a served request"
N_CLIENTS = 100
_N_BODIES = 50
_BEFORE_S, _SECONDS = 2, 20


async def ask(
    port: int, bodies: list[bytes], until_s: float, times: list[float]
) -> None:
    """Ask again and again; anything but status 200 ends the benchmark."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    i = id(times) % len(bodies) + len(times)
    while time.perf_counter() < until_s:
        body = bodies[i % len(bodies)]
        i += 1
        start = time.perf_counter()
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"(?i)content-length: (\d+)", answer)
        made = await reader.readexactly(int(length))
        times.append(time.perf_counter() - start)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"found {answer.split(maxsplit=2)[1]!r}: {made[:500]!r}")
    writer.close()


async def load(port: int, bodies: list[bytes], n: int, seconds: float) -> list[float]:
    """Let so many ask at once; give all times in seconds, sorted."""
    until_s = time.perf_counter() + seconds
    all_times: list[list[float]] = [[] for _ in range(n)]
    await asyncio.gather(*(ask(port, bodies, until_s, times) for times in all_times))
    return sorted(t for times in all_times for t in times)


def bodies_of(root: Path, profile: str | None = None) -> list[bytes]:
    """Take the last period's rows of some clusters, spread over all."""
    import polars as pl

    from pipeline.modeling.data import read_rows
    from pipeline.modeling.forecast import champion_of
    from pipeline.modeling.registry.registry import packed
    from pipeline.modeling.settings import load_modeling

    settings = load_modeling(root, profile=profile)
    rows = read_rows(settings.pipeline).select([*packed(champion_of(settings)).columns])
    last = rows.filter(pl.col("Year") == pl.col("Year").max())
    parts = last.partition_by("Facility Id")
    step = max(len(parts) // _N_BODIES, 1)
    return [json.dumps(part.to_dicts()).encode() for part in parts[::step]]


def used(pids: list[int]) -> tuple[float, float]:
    """Add up CPU seconds, and memory in MiB, shared pages by their share."""
    cpu = memory = 0.0
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu += (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        [pss] = re.findall(
            r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M
        )
        memory += int(pss) / 1024
    return cpu, memory


@dataclass(frozen=True)
class Server:
    """A server that is ready, and what it took to be."""

    port: int
    pids: list[int]
    ready_s: float


@contextmanager
def served(root: Path, *words: str) -> Generator[Server]:
    """Start a server of a project's champion, and end it."""
    start = time.perf_counter()
    asked = ("--project", str(root), "serve", "--port", "0", *words)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *asked],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        [port] = map(int, re.findall(r":(\d+)/", process.stdout.readline()))
        process.stdout.readline()  # is ready
        ready_s = time.perf_counter() - start
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pids = [process.pid, *map(int, children.read_text().split())]
        yield Server(port, pids, ready_s)
    finally:
        process.terminate()
        process.communicate()


def ask_server(
    server: Server, bodies: list[bytes], n_clients: int, seconds: float
) -> dict[int, Timing]:
    """Ask it for a while; give how long so many per cent of requests take at most.

    CPU seconds are those of a request, the memory that of all processes.
    """
    asyncio.run(load(server.port, bodies, 1, _BEFORE_S))
    before, _ = used(server.pids)
    times = asyncio.run(load(server.port, bodies, n_clients, seconds))
    after, memory = used(server.pids)
    cpu_s = (after - before) / len(times)
    return {q: Timing(cpu_s, times[len(times) * q // 100], memory) for q in (50, 99)}


def serving(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Make a champion of the published rows, and ask a server of it."""
    asked: list[dict[str, Timing]] = []
    with tempfile.TemporaryDirectory() as name:
        root = make_project(Path(name, "project"), synthetic())
        run_process("-m", "pipeline", "pipeline", cwd=root)
        bodies = print_bodies(root)
        for _ in range(n_runs):
            with served(root) as server:
                cpu_s, memory = used(server.pids)
                start = Timing(cpu_s, server.ready_s, memory)
                found = {
                    f"{n} at once: {q} % take at most": timing
                    for n in (1, N_CLIENTS)
                    for q, timing in ask_server(server, bodies, n, _SECONDS).items()
                }
            asked.append({**found, "until it is ready": start})
    timings = {name: [run[name] for run in asked] for name in asked[0]}
    yield from figures_of(SERVING, ROWS, timings)


def print_bodies(root: Path, *profile: str) -> list[bytes]:
    """Ask a process of its own, which may grow large, for what is sent."""
    printed, _ = run_process("-m", "benchmarks.serving", root, *profile)
    return printed.encode().splitlines()


if __name__ == "__main__":
    for body in bodies_of(Path(sys.argv[1]), *sys.argv[2:]):
        print(body.decode())
