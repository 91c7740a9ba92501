"""Ask a server of the champion, one client at a time and many at once.

Timed is a request, from its first byte to the last of the answer, over a connection
that stays: all rows that a facility had in the last year, as JSON. Not timed are the
start, which is told apart, and two seconds before the first figures. Clients and server
share the machine.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import polars as pl

from pipeline.modeling.data import read_rows
from pipeline.modeling.forecast import champion_of
from pipeline.modeling.registry.registry import packed
from pipeline.modeling.settings import load_modeling

_N_BODIES = 50
_BEFORE_S = 2


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


def serving(root: Path, clients: int, seconds: float) -> None:
    """Start a server of a project with a champion, and say what it takes."""
    bodies = bodies_of(root)
    start = time.perf_counter()
    words = ("--project", str(root), "serve", "--port", "0")
    server = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        [port] = map(int, re.findall(r":(\d+)/", server.stdout.readline()))
        server.stdout.readline()  # is ready
        click.echo(f"ready after {time.perf_counter() - start:.1f} s")
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
        pids = [server.pid, *map(int, children.split())]
        asyncio.run(load(port, bodies, 1, _BEFORE_S))
        for n in (1, clients):
            before, _ = used(pids)
            times = asyncio.run(load(port, bodies, n, seconds))
            cpu, memory = used(pids)
            p50, p99 = (times[int(len(times) * q)] * 1000 for q in (0.5, 0.99))
            click.echo(
                f"{n} at once: {len(times):,} requests, {len(times) / seconds:,.1f}/s,"
                f" p50 {p50:,.0f} ms, p99 {p99:,.0f} ms,"
                f" CPU {(cpu - before) / len(times) * 1000:.0f} ms each,"
                f" {memory:.0f} MiB"
            )
    finally:
        server.terminate()
        server.communicate()
