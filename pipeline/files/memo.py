"""What was worked out, kept under a name that says all that it is made of.

Nothing depends on it: what is absent, damaged or cannot be written is worked out anew.
Processes side by side do not spoil it, as each file appears whole.
"""

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_Value = TypeVar("_Value")

_MOST = 64
"""Files of a folder; the oldest go."""


def recall(path: Path, type_: type[_Value]) -> _Value | None:
    """Return what was kept; None where it is absent, damaged or of another type."""
    try:
        content = path.read_bytes() if path.is_file() else b""
        seal, body = content[:4], content[4:]
        if seal != _seal(path, body):
            return None
        return msgspec.msgpack.decode(body, type=type_)
    except (OSError, msgspec.MsgspecError):
        return None


def remember(path: Path, value: Any) -> None:
    """Keep a value in a folder whose parent is there; else, or without room, do not."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        body = msgspec.msgpack.encode(value)
        path.parent.mkdir(exist_ok=True)
        partial.write_bytes(_seal(path, body) + body)
        partial.replace(path)
        _forget_oldest(path.parent)
    # A whole number of more than 64 bits is no value that can be kept.
    except (OSError, OverflowError):
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _seal(path: Path, body: bytes) -> bytes:
    """Return the checksum of name and bytes: no file stands for another."""
    return zlib.crc32(body, zlib.crc32(path.name.encode())).to_bytes(4, "big")


def _forget_oldest(folder: Path) -> None:
    """Remove what is too much."""
    files = [path for path in folder.iterdir() if not path.is_dir()]
    files.sort(key=lambda path: path.lstat().st_mtime_ns)
    for path in files[:-_MOST]:
        path.unlink(missing_ok=True)
