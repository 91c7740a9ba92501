"""Ask a server of the champion, one client at a time and many at once.

Timed is a request, from its first byte to the last of the answer, over a connection
that stays: all rows that a facility had in the last year, as JSON. Not timed are the
start, which is told apart, and two seconds before the first figures. Clients and server
share the machine. An answer that is none ends the benchmark.

``python -m benchmarks.serving PROJECT`` prints the bodies that are sent.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import ROWS, figures_of
from benchmarks.processes import Timing, environment, run_process, synthetic
from benchmarks.records import BenchmarkFigure
from benchmarks.samplers import make_project

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


def bodies_of(root: Path) -> list[bytes]:
    """Take the last period's rows of some clusters, spread over all."""
    import polars as pl

    from pipeline.modeling.data import read_rows
    from pipeline.modeling.forecast import champion_of
    from pipeline.modeling.registry.registry import packed
    from pipeline.modeling.settings import load_modeling

    settings = load_modeling(root)
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


def serving(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Make a champion of the published rows, and ask a server of it."""
    with tempfile.TemporaryDirectory() as name:
        root = make_project(Path(name, "project"), synthetic())
        run_process("-m", "pipeline", "pipeline", cwd=root)
        bodies = run_process("-m", "benchmarks.serving", root)[0].encode().splitlines()
        asked = [_asked(root, bodies) for _ in range(n_runs)]
    timings = {name: [run[name] for run in asked] for name in asked[0]}
    yield from figures_of(SERVING, ROWS, timings)


def _asked(root: Path, bodies: list[bytes]) -> dict[str, Timing]:
    """Start a server, and ask it; CPU seconds are those of a request."""
    start = time.perf_counter()
    words = ("--project", str(root), "serve", "--port", "0")
    server = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        [port] = map(int, re.findall(r":(\d+)/", server.stdout.readline()))
        server.stdout.readline()  # is ready
        ready_s = time.perf_counter() - start
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
        pids = [server.pid, *map(int, children.split())]
        found: dict[str, Timing] = {}
        for n in (1, N_CLIENTS):
            asyncio.run(load(port, bodies, 1, _BEFORE_S))
            before, _ = used(pids)
            times = asyncio.run(load(port, bodies, n, _SECONDS))
            cpu, memory = used(pids)
            cpu_s = (cpu - before) / len(times)
            for q in (50, 99):
                quantile_s = times[len(times) * q // 100]
                who = f"{n} at once, {q} % take at most"
                found[who] = Timing(cpu_s, quantile_s, memory)
            if n == 1:
                found["start, until it is ready"] = Timing(before, ready_s, memory)
        return found
    finally:
        server.terminate()
        server.communicate()


if __name__ == "__main__":
    for body in bodies_of(Path(sys.argv[1])):
        print(body.decode())
