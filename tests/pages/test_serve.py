from pathlib import Path
from threading import Thread

import pytest
import requests

from pipeline.errors import SnapshotError
from pipeline.pages.serve import HOST, server


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
