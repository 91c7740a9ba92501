"""A CSV file fetched once from the web, then read from the project's folder."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from pipeline.errors import SourceError, masked
from pipeline.files.state import State
from pipeline.progress import doing
from pipeline.sources.csv_file import read_head
from pipeline.sources.csv_guard import refuse_unsound
from pipeline.sources.csv_text import is_packed
from pipeline.sources.dialect import Dialect

_STALL_S = 60
_LEAST_BYTES = 1 << 16
"""Fewer bytes than these in so many seconds are a stall."""

_ATTEMPTS = 3
_PASSING = {408, 429, *range(500, 600)}
"""Answers that may be others the next time."""

_GIB = 1 << 30
_BLOCK = 1 << 18


class DownloadSource(
    Dialect, frozen=True, kw_only=True, tag="download", tag_field="kind"
):
    """Raw rows in a CSV file on the web."""

    url: Annotated[
        str, Meta(pattern="^https?://", description="an address, http:// or https://")
    ]
    file_name: Annotated[
        str,
        Meta(
            pattern=r"(?i)\A(?!\.|(made|rows|query|utf8)-)(?!.*\.(part|sha256)\Z)"
            r"[^/\\\x00-\x1f\x7f]{1,200}\Z",
            description="a plain name, not hidden, nor one of .pipeline/data's own"
            " (made-*, rows-*, query-*, utf8-*, *.part, *.sha256)",
        ),
    ]
    sha256: (
        Annotated[
            str,
            Meta(pattern="^[0-9a-f]{64}$", description="64 digits of 0 to 9, a to f"),
        ]
        | None
    ) = None
    """What the file must hash to; None takes what comes whole."""
    verify: bool = True
    """Whether to refuse what cannot be shown to be whole."""
    max_gib: Annotated[float, Meta(gt=0)] = 10


def download_path(config: DownloadSource, root: Path) -> Path:
    """Name the file that `download` fetches."""
    return State(root).data / config.file_name


def remove_parts(root: Path) -> None:
    """Remove what was killed while it was made; the caller holds the store's lock."""
    for part in State(root).data.glob("*.part"):
        part.unlink(missing_ok=True)


def download(config: DownloadSource, root: Path) -> Path:
    """Fetch the file, unless it is there already.

    The file appears only when it is whole, has the right hash and looks like a CSV;
    beside it ``{file_name}.sha256`` keeps its hash and where it came from. A file that
    came from another address, or whose hash is no longer the wanted one, is fetched
    again; attempts that failed for what may pass are repeated twice. A SourceError if
    the file cannot be fetched, is too large, has another hash, is no CSV, or may not be
    whole.
    """
    file = download_path(config, root)
    origin = _origin(file)
    if file.is_file() and _came_from(origin, config):
        return file
    part = file.with_name(file.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        answer = _fetch(config, part)
        if config.sha256 not in (None, answer.sha256):
            raise SourceError(
                f"{config.url}: is another file than wanted\n"
                f"found: sha256 {answer.sha256}\nexpected: {config.sha256}\n"
                "hint: where the new file is right, set its hash in the source's config"
            )
        read_head(part, config)
        doubt = None if config.sha256 else _doubt(answer, part)
        if doubt and config.verify:
            raise SourceError(
                f"{config.url}: cannot be known to be whole\n"
                f"found: {answer.n_bytes:,} bytes, {doubt}\n"
                "expected: a length or checksum, and an end to the last line\n"
                f"hint: if these are all, set sha256: {answer.sha256} in the source's"
                " config; source.verify=false takes whatever comes"
            )
        # The note goes first and comes last: without it, the file is fetched again.
        origin.unlink(missing_ok=True)
        part.replace(file)
        note = f"{answer.sha256}  {masked(config.url)}\n"
        origin.write_text(note + "not known to be whole\n" * bool(doubt), "utf-8")
    except OSError as error:
        raise _failed(config, error) from error
    finally:
        part.unlink(missing_ok=True)
    return file


def require_as_downloaded(config: DownloadSource, root: Path, sha256: str) -> None:
    """Refuse a file whose hash is no longer that which it came with."""
    file = download_path(config, root)
    came_with = _origin(file).read_text("utf-8").partition("  ")[0]
    if sha256 != came_with:
        raise SourceError(
            f"{file}: is not what was downloaded\n"
            f"found: sha256 {sha256}\nexpected: {came_with}, as beside it\n"
            "hint: remove it, then it is fetched again; use `kind: csv` for a file that"
            " you have changed"
        )


def _origin(file: Path) -> Path:
    """Name the note beside a file: its hash, and where it came from."""
    return file.with_name(file.name + ".sha256")


@dataclass(frozen=True)
class _Answer:
    """What a server sent: its bytes' hash and number, and whether that was said."""

    sha256: str
    n_bytes: int
    is_measured: bool


def _came_from(origin: Path, config: DownloadSource) -> bool:
    """Tell whether the note beside a file fits the configuration."""
    if not origin.is_file():
        return False
    note, *doubts = origin.read_text("utf-8").splitlines()
    digest, _, url = note.partition("  ")
    if config.sha256:
        return url == masked(config.url) and digest == config.sha256
    return url == masked(config.url) and not (doubts and config.verify)


def _doubt(answer: _Answer, part: Path) -> str | None:
    """Say why a file may have lost its end; None if that would show."""
    if is_packed(part):
        refuse_unsound(part)  # these say themselves where they end
        return None
    if not answer.is_measured:
        return "of which the server did not say how many they would be"
    with part.open("rb") as content:
        content.seek(-1, 2)
        return None if content.read() == b"\n" else "the last line without its end"


def _fetch(config: DownloadSource, part: Path) -> _Answer:
    """Download to a file, again if that may help."""
    # Imported late: few runs need it.
    import requests
    from urllib3.exceptions import HTTPError

    for attempt in range(_ATTEMPTS):
        try:
            with requests.get(
                config.url,
                headers={"Accept-Encoding": "identity"},
                stream=True,
                timeout=_STALL_S,
            ) as response:
                response.raise_for_status()
                return _write(config, response, part)
        except (OSError, HTTPError) as error:
            if _is_final(error) or attempt == _ATTEMPTS - 1:
                raise _failed(config, error) from error
            time.sleep(2**attempt)
    raise AssertionError


def _is_final(error: Exception) -> bool:
    """Tell whether another attempt would fail in the same way."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return answer.status_code not in _PASSING
    # An address that cannot be, or a disk that is full.
    return isinstance(error, ValueError) or getattr(error, "errno", None) is not None


def _write(config: DownloadSource, response: Any, part: Path) -> _Answer:
    """Write an answer to a file as it comes; urllib3 holds it to its length."""
    length = response.headers.get("Content-Length")
    expected = int(length) if length and length.isdigit() else None
    digest, n_bytes, most = hashlib.sha256(), 0, int(config.max_gib * _GIB)
    of = f" of {expected / 1e6:,.1f}" if expected else ""
    with doing(f"downloading {config.file_name}") as step, part.open("wb") as out:
        for block in _blocks(response.raw):
            n_bytes += len(block)
            if max(n_bytes, expected or 0) > most:
                raise SourceError(
                    f"{config.url}: is too large\n"
                    f"found: {max(n_bytes, expected or 0):,} bytes or more\n"
                    f"expected: at most {most:,}\n"
                    "hint: check the address, or allow more with source.max_gib"
                )
            out.write(block)
            digest.update(block)
            step.say(f"{n_bytes / 1e6:,.1f}{of} MB")
    is_chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    return _Answer(digest.hexdigest(), n_bytes, expected is not None or is_chunked)


def _blocks(raw: Any) -> Iterator[bytes]:
    """Read an answer as it comes; an OSError if it stalls.

    Also for a trickle that no time limit of a socket would end.
    """
    since, n_bytes = time.monotonic(), 0
    while block := raw.read1(_BLOCK, decode_content=False):
        yield block
        n_bytes += len(block)
        now = time.monotonic()
        if now - since > _STALL_S:
            if n_bytes < _LEAST_BYTES:
                raise OSError(f"stalls: {n_bytes:,} bytes in {now - since:.0f} seconds")
            since, n_bytes = now, 0


def _failed(config: DownloadSource, error: Exception) -> SourceError:
    """Say that a file cannot be had."""
    return SourceError(
        f"{config.url}: cannot be downloaded\n"
        f"found: {' '.join(str(error).split())}\n"
        f"expected: {config.sha256 or 'a CSV file'}\n"
        f"hint: check the address and the network, or put the file at a path of your"
        f" own and use `kind: csv`"
    )
