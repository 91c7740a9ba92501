from pathlib import Path
from threading import Thread

import pytest
import requests

from pipeline.errors import SnapshotError
from pipeline.pages.serve import HOST, open_pages, server


def test_pages_are_served_to_this_machine_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    with server(tmp_path, 0) as served:
        thread = Thread(target=served.serve_forever, daemon=True)
        thread.start()
        answer = requests.get(f"http://{HOST}:{served.server_port}/", timeout=10)
        served.shutdown()
        thread.join()
    assert answer.text == "hello"
    assert served.server_address[0] == HOST


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with (
        server(tmp_path, 0) as served,
        pytest.raises(SnapshotError, match="--port"),
    ):
        server(tmp_path, served.server_port)


def test_without_a_browser_it_is_said_where_the_page_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser._tryorder", [])
    open_pages(tmp_path, serve=False, opened=True, port=0)
    assert (tmp_path / "index.html").as_uri() in capsys.readouterr().err
