"""What a server says of a request that it does not answer."""

import pytest

from pipeline.plan.serving import Serving
from pipeline.serving.app import State, make_app
from tests.serving.asgi import ask


def test_it_is_alive_before_it_is_ready() -> None:
    app = make_app(State(Serving()))
    assert ask(app, "GET", "/health").json == {"status": "alive"}
    waiting = ask(app, "GET", "/ready")
    assert waiting.status == 503
    assert waiting.headers["retry-after"] == "1"
    assert ask(app, "POST", "/predict", b"[]").status == 503


def test_only_who_knows_the_token_may_ask_more_than_that() -> None:
    app = make_app(State(Serving(token="a long secret")))
    for given in ("", "Bearer", "Bearer a long", "Basic a long secret", "Bearer \xe9"):
        refused = ask(app, "GET", "/metrics", authorization=given)
        assert refused.status == 401
        assert "a long secret" not in refused.body.decode()
    for scheme in ("Bearer", "bearer"):
        given = f"{scheme} a long secret"
        known = ask(app, "GET", "/metrics", authorization=given)
        assert known.status == 200
    assert b'pipeline_requests_total{path="/metrics",status="401"} 5' in known.body
    assert ask(app, "GET", "/health").status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/<script>"), ("GET", "/predict"), ("POST", "/health")]
)
def test_what_is_no_path_is_said_in_json(method: str, path: str) -> None:
    answer = ask(make_app(State(Serving())), method, path)
    assert answer.status in (404, 405)
    assert answer.json == {"error": f"request: no {method} {path}", "hint": "see /"}


def test_more_than_may_be_asked_at_once_is_refused() -> None:
    state = State(Serving(max_waiting=1))
    state.metrics.n_at_work = 1
    assert "too many" in ask(make_app(state), "GET", "/metrics").json["error"]
    assert state.metrics.n_at_work == 1
