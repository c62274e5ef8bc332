"""One request of a browser: who it is, what it sends, how it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fanfold.console.context import Desk, Services
from fanfold.console.rendering import rendered
from fanfold.console.sessions import PREFIX
from fanfold.jobs.access import Caller, Right, UserRole

NOBODY = Caller("", "", "", UserRole.VIEWER)
"""In front of a browser that has no session; sees pages that need no right."""

USUAL_A_PAGE = 50
THEMES = ("auto", "light", "dark")
THEME_COOKIE = "fanfold_theme"


@dataclass(slots=True)
class Visit:
    """What a page function is handed. `caller` is checked for the page's right."""

    request: Request
    desk: Desk
    caller: Caller
    form: FormData = field(default_factory=FormData)

    @property
    def services(self) -> Services:
        """The services, for short."""
        return self.desk.services

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.caller.account_id

    @property
    def request_id(self) -> str:
        """The id that the log knows this request by."""
        return str(getattr(self.request.state, "request_id", ""))

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, most: int = 300) -> str:
        """A text of the address, cut where it is too long to be meant."""
        return self.request.query_params.get(name, "")[:most]

    def text(self, name: str) -> str:
        """A text of the form; "" where it has none."""
        value = self.form.get(name, "")
        return "" if isinstance(value, UploadFile) else value

    def number(self, name: str, usual: int, most: int = 2**53) -> int:
        """A number of the address, within 0 to `most`; `usual` for what is none."""
        text = self.query(name, 16)
        return min(int(text), most) if text.isascii() and text.isdigit() else usual

    def offset(self) -> int:
        """Where the page of a listing begins."""
        return self.number("offset", 0)

    def may(self, right: str) -> bool:
        """Whether the caller has a right; for templates."""
        return self.caller.may(Right(right))

    def page(self, name: str, status: int = 200, **values: Any) -> Response:
        """A page, or a part of one."""
        return HTMLResponse(self.markup(name, **values), status)

    def markup(self, name: str, **values: Any) -> str:
        """The text of a page, or of a part of one."""
        return rendered(name, visit=self, now=self.services.clock.now(), **values)

    def go(self, path: str, done: str = "") -> Response:
        """On to another page, which tells what was done by the name of a sentence."""
        query = f"?{urlencode({'done': done})}" if done else ""
        return RedirectResponse(f"{PREFIX}{quote(path, safe='/')}{query}", 303)

    def audited(self, action: str, what: str, **data: Any) -> None:
        """Put a change into the audit log."""
        self.services.access.record(self.caller, self.request_id, action, what, data)

    @property
    def theme(self) -> str:
        """Light, dark, or as the machine has it."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else "auto"

    @property
    def form_token(self) -> str:
        """What forms of this page carry."""
        return self.desk.sessions.form_token(self.request)

    @property
    def here(self) -> str:
        """The path of this page, below the console."""
        return self.request.url.path.removeprefix(PREFIX)

    def address(self, **changes: Any) -> str:
        """This page with other parts in its query; an empty one is left out."""
        gone = {"done", *changes}
        query = [(name, value) for name, value in self.request.query_params.multi_items() if name not in gone]
        query += [(name, str(value)) for name, value in changes.items() if value not in ("", 0, None)]
        return f"{PREFIX}{quote(self.here, safe='/')}" + (f"?{urlencode(query)}" if query else "")
