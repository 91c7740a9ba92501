"""What a server answers, path by path."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline.errors import PipelineError, masked
from pipeline.log import LOG
from pipeline.plan.serving import Serving
from pipeline.serving.champion import Champion
from pipeline.serving.formats import JSON, TYPES, RequestError, accepted, written
from pipeline.serving.metrics import MEDIA_TYPE, Metrics
from pipeline.serving.openapi import as_page, document
from pipeline.serving.workers import Failed, Refused

_OPEN = ("/health", "/ready")
"""What is answered without a token: nothing that anyone may not know."""

_DRIFTED = "drifted "
"""Begins the warning of features that are not as they were."""

_BUSY = {"Retry-After": "1"}


@dataclass
class State:
    """What all requests share."""

    serving: Serving
    champion: Champion | None = None
    """None until the first is loaded."""
    stays: str | None = None
    """Why the champion is still the last one, where it is no longer the registry's."""
    metrics: Metrics = field(default_factory=Metrics)


_Answer = Callable[[Request], Awaitable[Response]]


def make_app(state: State) -> Starlette:
    """Make the application."""
    app = _App(state)
    get = {
        "/health": app.health,
        "/ready": app.ready,
        "/metrics": app.metrics,
        "/openapi.json": app.openapi,
        "/": app.page,
    }
    post = {"/predict": app.predict, "/explain": app.explain}
    routes = [
        Route(path, _guarded(state, path, answer), methods=[method])
        for method, paths in (("GET", get), ("POST", post))
        for path, answer in paths.items()
    ]
    no_such = {404: _no_such, 405: _no_such}
    return Starlette(routes=routes, exception_handlers=no_such)


def _guarded(state: State, path: str, answer: _Answer) -> _Answer:
    """Let in who may ask, as long as there is room; whatever goes wrong is words."""

    async def guarded(request: Request) -> Response:
        start = time.perf_counter()
        figures, serving = state.metrics, state.serving
        figures.n_at_work += 1
        try:
            if path not in _OPEN:
                _authorize(request, serving.token)
                if figures.n_at_work > serving.max_waiting:
                    raise RequestError(503, "server: too many requests at once")
            async with asyncio.timeout(serving.timeout_s):
                response = await answer(request)
        except TimeoutError:
            text = f"request: not answered within {serving.timeout_s:g} s"
            response = _error(503, text)
        except (RequestError, Refused, PipelineError) as error:
            status = error.status if isinstance(error, RequestError) else 422
            if status == 422:
                figures.count("requests_refused")
            response = _error(status, _for_clients(str(error)))
        except ClientDisconnect:
            response = _error(400, "request: broken off")
        except Failed as error:
            LOG.error("%s: %s", path, error)
            response = _error(503, "server: a process has failed, and is started anew")
        except Exception as error:
            LOG.error("%s: %s: %s", path, type(error).__name__, error)
            response = _error(500, f"server: cannot do it ({type(error).__name__})")
        finally:
            figures.n_at_work -= 1
        figures.answered(path, response.status_code, time.perf_counter() - start)
        return response

    return guarded


def _for_clients(text: str) -> str:
    """Leave out a hint of what only the command line can do."""
    fault, _, hint = text.partition("\nhint: ")
    return fault if "`" in hint or "source." in hint else text


def _authorize(request: Request, token: str | None) -> None:
    """Refuse who does not know the token."""
    given = request.headers.get("authorization", "")
    scheme, _, word = given.partition(" ")
    if token is not None and not (
        scheme.lower() == "bearer"
        and hmac.compare_digest(word.strip().encode(), token.encode())
    ):
        raise RequestError(
            401, "request: expected a header 'Authorization: Bearer ...'"
        )


def _error(status: int, text: str) -> JSONResponse:
    """Say what is wrong, where, and what helps."""
    fault, *more = masked(text).splitlines()
    hints = [line for line in more if line.startswith("hint: ")]
    found = [line for line in more if not line.startswith("hint: ")]
    content: dict[str, Any] = {"error": fault}
    if found:
        content["found"] = found
    if hints:
        content["hint"] = hints[0].removeprefix("hint: ")
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: _BUSY}.get(status)
    return JSONResponse(content, status, headers)


async def _no_such(request: Request, error: Exception) -> Response:
    """Answer what is no path, or another method's."""
    status = getattr(error, "status_code", 404)
    text = f"request: no {request.method} {request.url.path}\nhint: see /"
    return _error(status, text)


class _App:
    """The answers."""

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    def champion(self) -> Champion:
        """The champion; until it is there, a RequestError."""
        if self.state.champion is None:
            raise RequestError(503, "server: the champion is being loaded")
        return self.state.champion

    async def health(self, _: Request) -> Response:
        """Say that the server is alive."""
        return JSONResponse({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """Say whether predictions are given, and by whom."""
        champion = self.champion
        if not champion.pool.n_alive:
            raise RequestError(503, "server: the champion is being loaded again")
        said = {"status": "ready", "model": champion.version.name}
        said |= {"version": champion.version.number}
        if self.state.stays:
            said |= {"warning": "the last champion stays: it is replaced or gone"}
        return JSONResponse(said)

    async def metrics(self, _: Request) -> Response:
        """Give what was counted."""
        champion = self.state.champion
        uri = champion and champion.version.uri
        n_alive = champion.pool.n_alive if champion else 0
        text = self.state.metrics.written(uri, n_alive)
        return PlainTextResponse(text, media_type=MEDIA_TYPE)

    async def openapi(self, _: Request) -> Response:
        """Describe what can be asked."""
        return JSONResponse(document(self.champion))

    async def page(self, _: Request) -> Response:
        """Show that to people."""
        policy = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"
        }
        return HTMLResponse(as_page(document(self.champion)), headers=policy)

    async def predict(self, request: Request) -> Response:
        """Predict of raw rows."""
        type_ = accepted(request.headers.get("accept", ""))
        champion, figures = self.champion, self.state.metrics
        async with champion.pool.used():
            table, refused = await self._rows(request, champion)
            head, made = await champion.pool.ask("predict", table)
        predictions = pl.read_ipc_stream(made).with_columns(**champion.of)
        n_none = predictions["prediction"].null_count()
        figures.count("predictions", predictions.height - n_none)
        figures.count("rows_without_prediction", n_none)
        figures.count("requests_with_all_rows", int(head["is_long"]))
        warnings = head["warnings"]
        is_drifted = any(text.startswith(_DRIFTED) for text in warnings)
        figures.count("requests_with_drift", int(is_drifted))
        beside = {
            "model": champion.version.name,
            "version": champion.version.number,
            "warnings": warnings,
            "refused": refused,
        }
        headers = {
            "Model-Version": champion.version.uri,
            "Refused-Cells": str(len(refused)),
            "Warnings": str(len(warnings)),
        }
        return Response(written(predictions, type_, beside), 200, headers, type_)

    async def explain(self, request: Request) -> Response:
        """Say what predictions are made of."""
        accepted(request.headers.get("accept", ""), (JSON,))
        champion = self.champion
        async with champion.pool.used():
            table, refused = await self._rows(
                request, champion, most=self.state.serving.max_explained
            )
            head, _ = await champion.pool.ask("explain", table)
        said = {
            "model": champion.version.name,
            "version": champion.version.number,
            "unit": champion.settings.modeling.unit,
            "refused": refused,
            "explained": head["explained"],
        }
        return Response(msgspec.json.encode(said), media_type="application/json")

    async def _rows(
        self, request: Request, champion: Champion, most: int | None = None
    ) -> tuple[bytes, list[dict[str, Any]]]:
        """Read the rows of a request; see `Champion.read`."""
        name = request.headers.get("content-type", "").partition(";")[0]
        type_ = TYPES.get(name.strip().lower())
        if type_ is None:
            raise RequestError(
                415,
                f"request: holds {name!r}, expected one of {', '.join(TYPES)}\n"
                "hint: say it in a header 'Content-Type'",
            )
        body = await _body(request, int(self.state.serving.max_body_mib * (1 << 20)))
        n_most = min(most or self.state.serving.max_rows, self.state.serving.max_rows)
        table, refused = await asyncio.to_thread(champion.read, body, type_, n_most)
        rows = {cell["row"] for cell in refused}
        self.state.metrics.count("rows_refused", len(rows))
        return table, refused


async def _body(request: Request, most: int) -> bytes:
    """Take a body, as far as it may be large."""
    too_large = RequestError(
        413,
        f"request: more than {most:,} bytes\n"
        "hint: send parts of whole clusters, use `just score`, or see"
        " serving.max_body_mib",
    )
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    if not body:
        raise RequestError(400, "request: has no body, expected rows")
    return bytes(body)
