"""The HTTP service over one model: SageMaker's contract (`/ping`, `/invocations`), and what an operator wants."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import protloc
from protloc.config import ServeConfig
from protloc.data.streams import GZIP_MAGIC
from protloc.errors import UserError
from protloc.inference.predictor import Predictor
from protloc.serving import openapi
from protloc.serving.batcher import Batcher, ClosedError, FullError
from protloc.serving.requests import Asked, BadInputError, answer_kind, kind_of, names_of, read, write
from protloc.tasks.task import Task

log = logging.getLogger(__name__)

OPEN = ("/", "/ping", "/health")
"""Paths that need no token: load balancers ask them; the page asks for the token itself."""

PAGE = Path(__file__).with_name("page.html")
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""Nothing from elsewhere; the page is one file."""

GONE = 499
"""The status, in the log and the metrics, of a request whose client went away before it was complete."""


SMALL_BODY, SMALL_ANSWER = 2**16, 100
"""Bytes to read and proteins to write that take about a millisecond: beside a busy model, a thread takes longer."""

Result = TypeVar("Result")


class Metrics:
    """What Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("protloc_requests", "Requests answered", ["path", "status"], registry=self.registry)
        self.proteins = Counter("protloc_proteins", "Proteins predicted", registry=self.registry)
        self.residues = Counter("protloc_residues", "Residues predicted", registry=self.registry)
        self.seconds = Histogram("protloc_invocation_seconds", "Time of an invocation", registry=self.registry)
        self.waiting = Gauge("protloc_requests_waiting", "Requests in the queue", registry=self.registry)


class Guard:
    """Around every request: the token, an answer also where the server itself fails, the metrics, a line in the log.

    Not FastAPI's `@app.middleware`, which runs every request in a task of its own and hands its answer over piece by
    piece.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig, metrics: Metrics) -> None:
        self.app, self.config, self.metrics = app, config, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI calls it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, answered = time.perf_counter(), False

        def tell(status: int) -> None:
            path = getattr(scope.get("route"), "path", "unknown")
            self.metrics.requests.labels(path, status).inc()
            log.info(json.dumps({
                "method": scope["method"], "path": path, "status": status,
                "ms": round(1000 * (time.perf_counter() - began), 1), **scope.get("state", {}).get("counts", {}),
            }))  # fmt: skip

        async def told(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                tell(message["status"])
            await send(message)

        try:
            if self._known(scope):
                await self.app(scope, receive, told)
            else:
                refusal = _refusal(
                    401, "a bearer token is needed: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"}
                )
                await refusal(scope, receive, told)
        except ClientDisconnect:
            tell(GONE)
        except Exception:
            log.exception("an error of ours")
            if not answered:  # else its answer is on its way, and is cut off
                await _refusal(500, "an error inside the server; its log has the details")(scope, receive, told)

    def _known(self, scope: Scope) -> bool:
        if not self.config.token or scope["path"] in OPEN:
            return True
        given = Headers(scope=scope).get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.config.token}".encode())


def create_app(predictor: Predictor, config: ServeConfig, model_card: dict[str, Any]) -> FastAPI:
    """The service.

    Args:
        predictor: the model.
        config: limits and token.
        model_card: what `/model` tells beside the limits.
    """
    batcher = Batcher(predictor, queue=config.queue, wait=config.wait_ms / 1000)
    metrics = Metrics()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(batcher.close)  # what has been taken is finished

    app = FastAPIOffline("/docs", None, title="protloc", version=protloc.__version__, lifespan=life)
    app.add_middleware(Guard, config=config, metrics=metrics)

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers=PAGE_HEADERS)

    @app.head("/ping", include_in_schema=False)
    @app.get("/ping")
    async def ping() -> dict[str, str]:
        return {"status": "ok"}

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "waiting": len(batcher), "device": str(predictor.forward.device)}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        limits = {
            "proteins": config.max_proteins, "residues": config.max_residues, "body_bytes": config.max_body,
            "seconds": config.timeout,
        }  # fmt: skip
        settings = predictor.task.settings()
        return {
            "task": predictor.task.name,
            "classes": predictor.task.names,
            "thresholds": settings.get("thresholds"),
            "membrane_threshold": settings["membrane_threshold"],
            "version": protloc.__version__,
            "limits": limits,
            **model_card,
        }

    @app.get("/metrics", response_class=PlainTextResponse)
    async def prometheus() -> PlainTextResponse:
        metrics.waiting.set(len(batcher))
        return PlainTextResponse(generate_latest(metrics.registry), media_type="text/plain; version=0.0.4")

    @app.post("/invocations", openapi_extra=openapi.request(predictor.task.names), responses=openapi.RESPONSES)
    async def invocations(request: Request) -> Response:
        began = time.perf_counter()
        try:
            kind = kind_of(request.headers.get("content-type", ""))
            wanted = answer_kind(request.headers.get("accept", ""))
            body = await _body(request, config)
            asked = await _aside(len(body) > SMALL_BODY, _asked, body, kind, config)
            proteins = asked.proteins
            excluded = _numbers(predictor.task, [*asked.exclude, *_excluded(request)])
            residues = sum(len(protein.sequence) for protein in proteins)
            request.state.counts = {"proteins": len(proteins), "residues": residues}
            waiting = asyncio.wrap_future(batcher.submit(proteins, config.timeout, excluded))
            rows = await asyncio.wait_for(waiting, config.timeout)
        except BadInputError as error:
            # What is left of a body that was not read to its end is not waited for.
            return _refusal(error.status, str(error), {"Connection": "close"} if error.status in (408, 413) else None)
        except FullError:
            return _refusal(429, "too many requests wait; try again", {"Retry-After": "1"})
        except ClosedError:
            return _refusal(503, "the server is going down", {"Retry-After": "5"})
        except TimeoutError:
            return _refusal(504, f"no answer within {config.timeout:g} s")
        metrics.proteins.inc(len(rows))
        metrics.residues.inc(residues)
        text = await _aside(len(rows) > SMALL_ANSWER, write, rows, predictor.columns, wanted)
        metrics.seconds.observe(time.perf_counter() - began)
        return Response(text, media_type=wanted)

    @app.exception_handler(HTTPException)
    async def not_ours(request: Request, error: HTTPException) -> JSONResponse:
        return _refusal(error.status_code, str(error.detail), dict(error.headers or {}))

    return app


async def _aside(long: bool, work: Callable[..., Result], *args: Any) -> Result:
    """What `work` makes of `args`: at once, or, where it is `long`, in a thread, so that no other request waits."""
    return await asyncio.to_thread(work, *args) if long else work(*args)


async def _body(request: Request, config: ServeConfig) -> bytes:
    """The body, read no further and waited for no longer than allowed."""
    most, parts, size = config.max_body, [], 0
    too_large = BadInputError(f"the request is larger than {most:,} bytes", 413)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise BadInputError(f"Content-Encoding {request.headers['content-encoding']}: send the text itself", 415)
    if int(request.headers.get("content-length", 0)) > most:
        raise too_large
    try:
        async with asyncio.timeout(config.timeout):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError as error:
        raise BadInputError(f"the request did not arrive within {config.timeout:g} s", 408) from error
    return b"".join(parts)


def _asked(body: bytes, kind: str, config: ServeConfig) -> Asked:
    """What a request asks about, no more than allowed."""
    if body.startswith(GZIP_MAGIC):
        raise BadInputError("the request is a gz file: send the text itself", 415)
    asked = read(body, kind, config.max_proteins)
    if sum(len(protein.sequence) for protein in asked.proteins) > config.max_residues:
        raise BadInputError(f"more than {config.max_residues:,} residues in a request: send several", 413)
    return asked


def _excluded(request: Request) -> list[str]:
    """What the address leaves out; a parameter that is misspelt must not be passed over."""
    unknown = sorted(request.query_params.keys() - {"exclude"})
    if unknown:
        raise BadInputError(f"no parameter {unknown[0][:40]!a} in the address; there is exclude")
    return request.query_params.getlist("exclude")


def _numbers(task: Task, exclude: list[str]) -> tuple[int, ...]:
    """The numbers of the classes that a client leaves out."""
    try:
        return task.numbers([name for given in exclude for name in names_of(given)])
    except UserError as error:
        raise BadInputError(str(error)) from error


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status, headers=headers)
