"""A download arrives whole, once, and checked, or leaves nothing behind."""

import contextlib
import gzip
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal

import msgspec
import polars as pl
import pytest

from pipeline import sources
from pipeline.errors import SourceError
from pipeline.sources.download import (
    DownloadSource,
    download,
    remove_parts,
    require_as_downloaded,
)

MODULE = sys.modules[download.__module__]
CONTENT = b"Year,Cost\n" + b"2009,$1.50\n" * 1000


@dataclass
class Site:
    """A web site with one file: what it answers, one answer a request."""

    url: str = ""
    status: list[int] = field(default_factory=list[int])
    content: bytes = CONTENT
    promised: int | Literal["chunks", "nothing"] = len(CONTENT)
    location: str = ""
    stays: bool = False  # with the connection open, until it is `left`
    trickles: bool = False
    left: Event = field(default_factory=Event)
    requests: int = 0


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve a site on this machine, and do not wait between attempts."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests += 1
            self.protocol_version = "HTTP/1.1"
            self.close_connection = True
            self.send_response(site.status.pop(0) if site.status else 200)
            if site.location:
                self.send_header("Location", site.location)
            if site.promised == "chunks":
                self.send_header("Transfer-Encoding", "chunked")
            elif site.promised != "nothing":
                self.send_header("Content-Length", str(site.promised))
            self.end_headers()
            self.wfile.write(site.content)
            if site.stays:
                site.left.wait(10)
            with contextlib.suppress(OSError):
                while site.trickles:
                    self.wfile.write(b"x")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}/costs.csv"
        yield site
        site.left.set()
        server.shutdown()
        thread.join()


def _config(site: Site, sha256: str | None = None, **given: Any) -> DownloadSource:
    """Declare the site's file."""
    return DownloadSource(
        url=site.url,
        file_name="costs.csv",
        sha256=sha256,
        columns={"Year": "code", "Cost": "money"},
        **given,
    )


def _chunked(content: bytes) -> bytes:
    """Write content in two chunks, without the end of all."""
    parts = content[:100], content[100:]
    return b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in parts)


def _left(root: Path) -> list[str]:
    """Name the files below a folder."""
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_file_is_fetched_once_with_its_hash_beside_it(
    site: Site, tmp_path: Path
) -> None:
    first = download(_config(site), tmp_path)
    assert first == tmp_path / ".pipeline/data/costs.csv"
    assert first.read_bytes() == CONTENT
    digest = hashlib.sha256(CONTENT).hexdigest()
    note = first.with_name("costs.csv.sha256").read_text()
    assert note == f"{digest}  {site.url}\n"
    assert _left(tmp_path) == ["costs.csv", "costs.csv.sha256"]
    assert download(_config(site, digest), tmp_path) == first
    assert site.requests == 1


def test_scan_gives_the_rows_of_the_file(site: Site, tmp_path: Path) -> None:
    config = _config(site)
    download(config, tmp_path)
    scan = sources.scan(config, tmp_path)
    rows, bad = pl.collect_all(scan.frames())
    assert rows["Cost"].to_list() == [1.5] * 1000
    assert bad.is_empty()


def test_present_file_needs_no_network(site: Site, tmp_path: Path) -> None:
    download(_config(site), tmp_path)
    site.status = [503] * 9
    assert download(_config(site), tmp_path).read_bytes() == CONTENT


def test_another_address_or_hash_is_fetched_again(site: Site, tmp_path: Path) -> None:
    download(_config(site), tmp_path)
    site.content = CONTENT.replace(b"2009", b"2010")
    digest = hashlib.sha256(site.content).hexdigest()
    assert download(_config(site, digest), tmp_path).read_bytes() == site.content
    site.content = CONTENT
    site.url += "?v=2"
    assert download(_config(site), tmp_path).read_bytes() == CONTENT
    assert site.requests == 3


def test_server_that_fails_twice_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.status = [503, 503]
    assert download(_config(site), tmp_path).read_bytes() == CONTENT
    assert site.requests == 3


HALF = len(CONTENT) // 2
PACKED = gzip.compress(CONTENT)
UNKNOWN = "cannot be known to be whole"


@pytest.mark.parametrize(
    ("answer", "sha256", "found"),
    [
        ({"status": [404] * 3}, None, "404"),
        ({"status": [503] * 3}, None, "503"),
        ({"content": CONTENT[:500]}, None, "500 bytes read"),
        ({}, "0" * 64, "expected: 000000"),
        ({"content": b"<html>".ljust(len(CONTENT))}, None, "an HTML or XML page"),
        ({"content": b"", "promised": 0}, None, "is empty"),
        ({"content": CONTENT[:HALF], "promised": "nothing"}, None, UNKNOWN),
        ({"promised": "nothing"}, None, UNKNOWN),
        ({"promised": HALF}, None, UNKNOWN),
        ({"content": _chunked(CONTENT), "promised": "chunks"}, None, "IncompleteRead"),
        ({"content": PACKED[:-9], "promised": "nothing"}, None, "ends early"),
        ({"content": PACKED[:-9], "promised": len(PACKED) - 9}, None, "ends early"),
        ({"status": [302], "location": "ftp://127.0.0.1/x"}, None, "ftp://"),
        ({"status": [302], "location": "file:///etc/passwd"}, None, "file:///"),
    ],
    ids=[
        *("absent", "down", "truncated", "other hash", "web page", "empty"),
        *("closed half way", "without a length", "half the length"),
        *("without the last chunk", "half of a gzip file", "its length, too"),
        *("to another scheme", "to a file"),
    ],
)
def test_failed_download_is_explained_and_leaves_nothing(
    answer: dict[str, object],
    sha256: str | None,
    found: str,
    site: Site,
    tmp_path: Path,
) -> None:
    for name, value in answer.items():
        setattr(site, name, value)
    with pytest.raises(SourceError) as caught:
        download(_config(site, sha256), tmp_path)
    assert found in str(caught.value)
    assert "\nhint: " in str(caught.value)
    assert _left(tmp_path) == []


def test_failed_download_keeps_the_file_that_was_there(
    site: Site, tmp_path: Path
) -> None:
    file = download(_config(site), tmp_path)
    with pytest.raises(SourceError):
        download(_config(site, "0" * 64), tmp_path)
    assert file.read_bytes() == CONTENT
    assert _left(tmp_path) == ["costs.csv", "costs.csv.sha256"]


def test_file_that_has_changed_since_is_refused(site: Site, tmp_path: Path) -> None:
    file = download(_config(site), tmp_path)
    digest = hashlib.sha256(CONTENT).hexdigest()
    require_as_downloaded(_config(site), tmp_path, digest)
    with pytest.raises(SourceError, match="is not what was downloaded") as error:
        require_as_downloaded(_config(site), tmp_path, "0" * 64)
    assert str(error.value).startswith(f"{file}: ")
    assert "hint: remove it" in str(error.value)


def test_no_server_is_explained(tmp_path: Path, site: Site) -> None:
    site.url = "http://127.0.0.1:9/costs.csv"
    with pytest.raises(SourceError, match="cannot be downloaded"):
        download(_config(site), tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "promised"),
    [
        (_chunked(CONTENT) + b"0\r\n\r\n", "chunks"),
        (PACKED, "nothing"),
        (PACKED, len(PACKED)),
    ],
    ids=["chunks", "gzip without a length", "gzip"],
)
def test_what_says_itself_where_it_ends_is_taken(
    content: bytes, promised: Any, site: Site, tmp_path: Path
) -> None:
    site.content, site.promised = content, promised
    file = download(_config(site), tmp_path)
    assert file.read_bytes() == (PACKED if content == PACKED else CONTENT)


@pytest.mark.parametrize("promised", ["nothing", HALF])
def test_what_may_lack_its_end_needs_a_hash_or_a_word(
    promised: Any, site: Site, tmp_path: Path
) -> None:
    site.content, site.promised = CONTENT[:HALF], promised
    digest = hashlib.sha256(site.content).hexdigest()
    with pytest.raises(SourceError, match=f"{UNKNOWN}\n.*\n.*\nhint: .*{digest}"):
        download(_config(site), tmp_path)
    trusting = _config(site, verify=False)
    assert download(trusting, tmp_path).read_bytes() == site.content
    assert download(trusting, tmp_path).read_bytes() == site.content
    assert site.requests == 2
    with pytest.raises(SourceError, match=UNKNOWN):
        download(_config(site), tmp_path)
    assert download(_config(site, digest), tmp_path).read_bytes() == site.content


@pytest.mark.parametrize("promised", ["nothing", len(CONTENT)])
def test_more_than_allowed_is_not_fetched(
    promised: Any, site: Site, tmp_path: Path
) -> None:
    site.promised = promised
    site.trickles = promised == "nothing"
    with pytest.raises(SourceError, match=r"is too large\n.*\nexpected: at most 5,3"):
        download(_config(site, max_gib=5e-6), tmp_path)
    assert _left(tmp_path) == []


def test_server_that_falls_silent_is_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "_STALL_S", 0.1)
    site.content, site.stays = CONTENT[:500], True
    with pytest.raises(SourceError, match=r"found: .*timed out"):
        download(_config(site), tmp_path)
    assert _left(tmp_path) == []


def test_server_that_trickles_is_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "_STALL_S", 0.1)
    monkeypatch.setattr(MODULE, "_LEAST_BYTES", 1 << 40)
    site.promised, site.trickles = "nothing", True
    with pytest.raises(SourceError, match=r"found: stalls: .* bytes in"):
        download(_config(site), tmp_path)
    assert _left(tmp_path) == []


def test_what_a_killed_download_left_is_removed(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / ".pipeline" / "data"
    folder.mkdir(parents=True)
    (folder / "costs.csv.part").write_bytes(CONTENT * 2)
    assert download(_config(site), tmp_path).read_bytes() == CONTENT
    (folder / "other.csv.part").write_bytes(CONTENT)
    remove_parts(tmp_path)
    assert _left(tmp_path) == ["costs.csv", "costs.csv.sha256"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "ftp://x/y"),
        ("sha256", "abc"),
        ("max_gib", 0),
        *(
            ("file_name", name)
            for name in (
                *("../x.csv", "a/b", "a\\b", "..", ".", "", ".hidden", "x\n", "x\0"),
                *("x.part", "x.SHA256", "made-x.csv", "Rows-x.parquet", "x" * 201),
            )
        ),
    ],
    ids=repr,
)
def test_config_that_cannot_work_is_refused(name: str, value: str) -> None:
    raw = {"kind": "download", "url": "https://x/y", "file_name": "x", "columns": {}}
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({**raw, name: value}, DownloadSource)
