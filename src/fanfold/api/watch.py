"""Around every request: its id, the check of its Host and Origin, its time, and no stack trace to anybody."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fanfold.api import problems
from fanfold.api.hosts import HostGuard
from fanfold.api.metrics import Metrics
from fanfold.errors import FanfoldError

log = structlog.get_logger(__name__)

_GROUP = re.compile(r"/v1/[a-z]+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Watch:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, hosts: HostGuard) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-request-id", "")
        request.state.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        answered = _Answered(send, request.state.request_id)
        began = time.perf_counter()
        try:
            await self._serve(request, receive, answered)
        finally:
            self._metrics.request(_route_of(scope), request.method, answered.status, time.perf_counter() - began)

    async def _serve(self, request: Request, receive: Receive, answered: _Answered) -> None:
        refused = self._hosts.refusal(request)
        if refused:
            await problems.answer(403, refused)(request.scope, receive, answered)
            return
        try:
            await self._app(request.scope, receive, answered)
        except Exception as error:  # what the application did not answer is a defect: all of it goes into the log
            if answered.status:
                raise
            await _broke(request, error)(request.scope, receive, answered)


def _route_of(scope: Scope) -> str:
    """The pattern of the path that was asked, whole; how many there are does not grow with what clients ask."""
    route = scope.get("route")
    if route is None:
        return "unmatched"
    group = _GROUP.match(scope["path"])
    return f"{group[0] if group else ''}{route.path}"


class _Answered:
    """Sends an answer on, with the request's id; remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-Id"] = self._request_id
        await self._send(message)


def _broke(request: Request, error: Exception) -> ASGIApp:
    if isinstance(error, FanfoldError):
        return problems.answer_error(request, error)
    log.error("a request broke", request_id=request.state.request_id, path=request.url.path, exc_info=error)
    return problems.answer(500, "Something inside the server broke; its log has the request id.")
