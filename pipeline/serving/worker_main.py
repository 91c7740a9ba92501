"""The program that holds a champion; imports nothing of this project by itself.

A bundle is used with the code that is packed in it, as Python imports a package once:
so a new champion is held by a new process. It speaks over a socket that it inherits,
in messages of a head (JSON) and a table (an Arrow stream), one after the other.
"""

import json
import socket
import struct
import sys
from pathlib import Path
from typing import Any

LENGTHS = struct.Struct("!II")


def receive(stream: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Wait for a message; an EOFError if there will be none."""
    head, body = LENGTHS.unpack(_take(stream, LENGTHS.size))
    return json.loads(_take(stream, head)), _take(stream, body)


def _take(stream: socket.socket, n_bytes: int) -> bytes:
    """Take so many bytes."""
    taken = bytearray()
    while len(taken) < n_bytes:
        more = stream.recv(min(n_bytes - len(taken), 1 << 20))
        if not more:
            raise EOFError
        taken += more
    return bytes(taken)


def message(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Write a message."""
    text = json.dumps(head, default=str).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def main(file_number: str) -> None:
    """Load the bundle that the first message names, and answer the others."""
    # LightGBM takes them if they are there, for 90 MiB and a second; nothing else does.
    for name in ("pandas", "sklearn"):
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    stream = socket.socket(fileno=int(file_number))
    import lightgbm  # pyright: ignore[reportUnusedImport] # noqa: F401
    import polars as pl

    told, _ = receive(stream)
    sys.path.insert(0, told["code"])
    from pipeline.errors import PipelineError
    from pipeline.modeling.bundle.bundle import load_bundle

    try:
        bundle: Any = load_bundle(Path(told["bundle"]), Path(told["own"]))
        # The bundle's code may know no `pipeline.files.parquet`.
        others = {
            name: pl.read_parquet(path, glob=False)  # noqa: TID251
            for name, path in told["others"].items()
        }
        if others:
            bundle = bundle.beside(others)
        if hasattr(bundle, "prepare"):  # which older ones cannot
            bundle = bundle.prepare()
    except Exception as error:
        stream.sendall(message({"error": f"{type(error).__name__}: {error}"}))
        return
    stream.sendall(message({"has_short_way": _prepared(bundle) is not None}))
    while True:
        try:
            asked, table = receive(stream)
        except (EOFError, ConnectionError):
            return
        try:
            head, made = _answer(bundle, asked["what"], pl.read_ipc_stream(table))
        except PipelineError as error:
            head, made = {"refused": str(error)}, b""
        except BaseException as error:  # of Polars a panic, too
            head, made = {"error": f"{type(error).__name__}: {error}"}, b""
        stream.sendall(message(head, made))


def _answer(bundle: Any, what: str, rows: Any) -> tuple[dict[str, Any], bytes]:
    """Predict or explain."""
    import io
    from dataclasses import asdict

    before = getattr(_prepared(bundle), "n_long", 0)
    if what == "explain":
        from pipeline.modeling.contributions import explain

        return {"explained": [asdict(one) for one in explain(bundle, rows)]}, b""
    made, warnings = bundle.answer(rows)
    prepared = _prepared(bundle)
    is_long = prepared is None or prepared.n_long > before
    written = io.BytesIO()
    made.write_ipc_stream(written)
    return {"warnings": warnings, "is_long": is_long}, written.getvalue()


def _prepared(bundle: Any) -> Any:
    """Take what was made beforehand, if the bundle's code knows of it."""
    return getattr(bundle, "prepared", None)


if __name__ == "__main__":
    main(*sys.argv[1:])
