"""A download arrives whole, once, and checked, or leaves nothing behind."""

import gc
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import polars as pl
import pytest

from pipeline import sources
from pipeline.errors import SourceError
from pipeline.sources.download import DownloadSource, download

CONTENT = b"Year,Cost\n" + b"2009,$1.50\n" * 1000


@dataclass
class Site:
    """A web site with one file: what it answers, one answer a request."""

    url: str = ""
    status: list[int] = field(default_factory=list[int])
    content: bytes = CONTENT
    promised: int = len(CONTENT)
    requests: int = 0


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve a site on this machine, and do not wait between attempts."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests += 1
            self.send_response(site.status.pop(0) if site.status else 200)
            self.send_header("Content-Length", str(site.promised))
            self.end_headers()
            self.wfile.write(site.content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}/costs.csv"
        yield site
        server.shutdown()
        thread.join()


def _config(site: Site, sha256: str | None = None) -> DownloadSource:
    """Declare the site's file."""
    return DownloadSource(
        url=site.url,
        file_name="costs.csv",
        sha256=sha256,
        columns={"Year": "code", "Cost": "money"},
    )


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


# Pooch leaves the socket of a broken answer to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("answer", "sha256", "found"),
    [
        ({"status": [404] * 3}, None, "404"),
        ({"status": [503] * 3}, None, "503"),
        ({"content": CONTENT[:500]}, None, "500 bytes read"),
        ({}, "0" * 64, "expected: 000000"),
        ({"content": b"<html>".ljust(len(CONTENT))}, None, "an HTML or XML page"),
        ({"content": b"", "promised": 0}, None, "is empty"),
    ],
    ids=["absent", "down", "truncated", "other hash", "web page", "empty"],
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
    del caught
    gc.collect()


def test_failed_download_keeps_the_file_that_was_there(
    site: Site, tmp_path: Path
) -> None:
    file = download(_config(site), tmp_path)
    with pytest.raises(SourceError):
        download(_config(site, "0" * 64), tmp_path)
    assert file.read_bytes() == CONTENT
    assert _left(tmp_path) == ["costs.csv", "costs.csv.sha256"]


def test_no_server_is_explained(tmp_path: Path, site: Site) -> None:
    site.url = "http://127.0.0.1:9/costs.csv"
    with pytest.raises(SourceError, match="cannot be downloaded"):
        download(_config(site), tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("url", "ftp://x/y"), ("file_name", "../x.csv"), ("sha256", "abc")],
    ids=str,
)
def test_config_that_cannot_work_is_refused(name: str, value: str) -> None:
    raw = {"kind": "download", "url": "https://x/y", "file_name": "x", "columns": {}}
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({**raw, name: value}, DownloadSource)
