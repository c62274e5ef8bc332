"""Signing in and out, and how the pages look."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from fanfold.console.app import Page
from fanfold.console.sessions import PREFIX
from fanfold.console.visit import THEME_COOKIE, THEMES, Visit
from fanfold.errors import Refused
from fanfold.jobs.access import Right

YEAR_S = 365 * 86_400
HOME = f"{PREFIX}/jobs"


def front(visit: Visit) -> Response:
    """To the jobs, or to the sign-in page."""
    return visit.go("/jobs" if visit.caller.user_id else "/sign-in")


def sign_in_form(visit: Visit) -> Response:
    """Asks for an API key."""
    if visit.caller.user_id:
        return visit.go("/jobs")
    return visit.page("sign_in.html", to=_inside(visit.query("to", 2000)), error="")


def sign_in(visit: Visit) -> Response:
    """Open a session for an API key; wrong ones are counted as at the API."""
    address = visit.request.client.host if visit.request.client else ""
    to = _inside(visit.text("to"))
    limits = visit.services.access.wrong_keys
    wait_s = limits.wait_s(address)
    if wait_s > 0:
        return visit.page("sign_in.html", 429, to=to, error=f"Too many wrong keys; try again in {wait_s:.0f} s.")
    try:
        token, seconds = visit.desk.sessions.by_key(visit.text("key"))
    except Refused as error:
        return visit.page("sign_in.html", 401, to=to, error=str(error))
    limits.give_back(address)
    return visit.desk.sessions.begin(RedirectResponse(to, 303), token, seconds)


def link_form(visit: Visit) -> Response:
    """A one-time link asks for one click, so that what looks links up beforehand does not use it up."""
    return visit.page("enter.html", secret=visit.path("secret"))


def enter(visit: Visit) -> Response:
    """Use a one-time link."""
    token, seconds = visit.desk.sessions.by_link(visit.path("secret"))
    return visit.desk.sessions.begin(RedirectResponse(HOME, 303), token, seconds)


def sign_out(visit: Visit) -> Response:
    """End the session."""
    return visit.desk.sessions.end(visit.request, visit.go("/sign-in", "signed-out"))


def choose_theme(visit: Visit) -> Response:
    """Light, dark, or as the machine has it."""
    response = RedirectResponse(_inside(visit.text("to")), 303)
    chosen = visit.text("theme")
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=YEAR_S, path=PREFIX, samesite="lax", httponly=True)
    return response


def _inside(address: str) -> str:
    """An address of the console; its first page for every other."""
    plain = address.isprintable() and "\\" not in address
    return address if plain and address.startswith(f"{PREFIX}/") and "//" not in address else HOME


PAGES = [
    Page("/", front, Right.NOTHING),
    Page("/sign-in", sign_in_form, Right.NOTHING),
    Page("/sign-in", sign_in, Right.NOTHING, "POST", 16 * 1024),
    Page("/enter/{secret}", link_form, Right.NOTHING),
    Page("/enter/{secret}", enter, Right.NOTHING, "POST", 16 * 1024),
    Page("/sign-out", sign_out, Right.READ, "POST"),
    Page("/theme", choose_theme, Right.READ, "POST"),
]
