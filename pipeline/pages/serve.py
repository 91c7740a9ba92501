"""Show the pages: in the browser of this machine, or served to it alone."""

import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from pipeline.errors import SnapshotError
from pipeline.pages.names import HOME

HOST = "127.0.0.1"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, without a line for each, and none from a browser's memory."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def open_pages(folder: Path, *, serve: bool, opened: bool, port: int) -> None:
    """Open pages in the browser, from the disk or served until Ctrl-C.

    Raises
    ------
    SnapshotError
        If the port is taken.
    """
    if not serve:
        _open((folder.resolve() / HOME).as_uri())
        return
    with server(folder, port) as served:
        address = f"http://{HOST}:{served.server_port}/"
        click.echo(f"{address}  (Ctrl-C ends it)")
        if opened:
            _open(address)
        served.serve_forever()


def _open(address: str) -> None:
    """Open an address in the browser, or say that there is none."""
    if not webbrowser.open(address):
        click.echo(f"no browser could be opened: open {address} in one", err=True)


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Listen on a port of this machine, which others do not reach; 0 is any free one.

    Raises
    ------
    SnapshotError
        If it is taken, or no port.
    """
    handler = partial(_Quiet, directory=str(folder.resolve()))
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError) as error:
        raise SnapshotError(
            f"port {port} of {HOST}: cannot be listened on\nfound: {error}\n"
            "hint: `just docs --serve --port 8001` takes another"
        ) from error
