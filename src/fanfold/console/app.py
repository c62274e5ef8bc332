"""The console as an application: its pages, who may see them, and what is said where something is wrong."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fanfold.console.context import Desk
from fanfold.console.forms import read_form
from fanfold.console.rendering import rendered
from fanfold.console.sessions import FORM_FIELD, FORM_HEADER, PREFIX, from_our_page
from fanfold.console.visit import NOBODY, Visit
from fanfold.errors import FanfoldError, NotFound, Refused
from fanfold.jobs.access import Right
from fanfold.services.rate_limits import has_to_wait

log = structlog.get_logger(__name__)

STATIC = Path(__file__).parent / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No script and no style but those of the package: what a program or a stranger wrote is never run."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class NotSignedIn(Refused):
    """The browser has no session, or not any more."""

    code = "unauthenticated"


class NotForYou(Refused):
    """The role, or the key that opened the session, does not allow it."""

    code = "forbidden"


class TooOften(Refused):
    """The key asks too often."""

    code = "too_many"
    retryable = True


Answer = Response | Awaitable[Response]
Act = Callable[[Visit], Answer]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it is, what it needs, what makes it. `form_bytes` is the most that a form of it may hold."""

    path: str
    act: Act
    right: Right = Right.READ
    method: str = "GET"
    form_bytes: int = 2 * 1024 * 1024


def make_console(desk: Desk, pages: list[Page]) -> ASGIApp:
    """The application, to be mounted at `PREFIX`."""
    routes: list[BaseRoute] = [
        Route(page.path, _Guarded(desk, page), methods=[page.method], name=page.act.__name__) for page in pages
    ]
    routes.append(Mount("/static", _Kept(StaticFiles(directory=STATIC))))
    console = Starlette(routes=routes, exception_handlers={HTTPException: _http_said(desk)})
    return _Headers(console)


class _Guarded:
    """Serves one page: session, right, form, errors in words."""

    def __init__(self, desk: Desk, page: Page) -> None:
        self._desk = desk
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        visit = Visit(request, self._desk, self._desk.sessions.caller_of(request) or NOBODY)
        try:
            self._check(visit)
            response = await self._answered(visit)
        except NotSignedIn:
            response = _to_sign_in(request)
        except FanfoldError as error:
            response = problem_page(visit, error)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("a page broke", request_id=visit.request_id, path=request.url.path)
            response = broken_page(visit)
        await response(scope, receive, send)

    def _check(self, visit: Visit) -> None:
        right, caller = self._page.right, visit.caller
        if right is Right.NOTHING:
            return
        if not caller.user_id:
            raise NotSignedIn("sign in first")
        wait_s, why = has_to_wait(visit.services.limits, visit.services.account_limits, caller)
        if wait_s > 0:
            raise TooOften(why)
        if not caller.may(right):
            said = f"This needs the right “{right.value}”, which role “{caller.role.value}” or your key lacks"
            raise NotForYou(said, hint="Ask an administrator, or sign in with another key.")

    async def _answered(self, visit: Visit) -> Response:
        if self._page.method == "GET":
            return await _made(self._page.act, visit)
        _check_ours(visit)
        async with read_form(visit.request, self._page.form_bytes) as form:
            visit.form = form
            if self._page.right is not Right.NOTHING:
                _check_token(visit)
            return await _made(self._page.act, visit)


async def _made(act: Act, visit: Visit) -> Response:
    """What a page function answers; a plain one works in a thread."""
    found = act(visit) if inspect.iscoroutinefunction(act) else await asyncio.to_thread(act, visit)
    return found if isinstance(found, Response) else await found


def _check_ours(visit: Visit) -> None:
    if not from_our_page(visit.request):
        raise NotForYou("This form was sent by another site, so nothing was done")


def _check_token(visit: Visit) -> None:
    given = visit.request.headers.get(FORM_HEADER, "") or visit.text(FORM_FIELD)
    if not visit.desk.sessions.is_our_form(visit.request, given):
        raise NotForYou(
            "This form is from before you signed in, so nothing was done", hint="Go back and send it again."
        )


def _to_sign_in(request: Request) -> Response:
    """To the sign-in page and back here afterwards; a part of a page makes the whole page go there."""
    path = request.url.path
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": f"{PREFIX}/sign-in"})
    if request.method != "GET":
        return RedirectResponse(f"{PREFIX}/sign-in", 303)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{PREFIX}/sign-in?{urlencode({'to': path + query})}", 303)


def problem_page(visit: Visit, error: FanfoldError) -> Response:
    """What is wrong, in words, with what helps."""
    own: dict[type[FanfoldError], int] = {NotForYou: 403, TooOften: 429}
    status = own.get(type(error)) or visit.desk.shapes.status(error)
    if status >= 500 and not error.retryable:
        log.error("a page broke", request_id=visit.request_id, path=visit.request.url.path, exc_info=error)
        return broken_page(visit)
    problems = getattr(error, "problems", ())
    title = "Not here" if isinstance(error, NotFound) else "Not possible"
    text = error.message[:1].upper() + error.message[1:]
    return visit.page("problem.html", status, title=title, text=text, hint=error.hint, problems=problems)


def broken_page(visit: Visit) -> Response:
    """A defect of ours: tells nothing of its inside."""
    text = "Something inside the server broke; nothing was lost. Its log has this request’s id."
    hint = f"Request {visit.request_id}. Try again; if it happens again, tell whoever runs this server."
    return visit.page("problem.html", 500, title="Broken", text=text, hint=hint, problems=())


def _http_said(desk: Desk) -> Callable[[Request, Exception], Response]:
    def said(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        visit = Visit(request, desk, desk.sessions.caller_of(request) or NOBODY)
        text = "There is no such page." if error.status_code == 404 else "This page does not take that."
        body = rendered(
            "problem.html", visit=visit, now=desk.services.clock.now(), title="Not here", text=text,
            hint="The address may be mistyped, or what it was for is gone.", problems=(),
        )  # fmt: skip
        return HTMLResponse(body, error.status_code)

    return said


class _Headers:
    """Adds to every answer what keeps a browser from running or framing what it should not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                if b"cache-control" not in known:
                    added.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in known)]
            await send(message)

        await self._app(scope, receive, sending)


class _Kept:
    """Files of the package: a browser asks each time whether they have changed, and mostly has them already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        await self._app(scope, receive, sending)
