"""The console beside the API, on the same services."""

from __future__ import annotations

from dataclasses import fields

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from fanfold.api.context import Services
from fanfold.api.problems import status_of
from fanfold.api.routes.templates import checked_template
from fanfold.api.submit import draft_from, shown_job
from fanfold.console.app import make_console
from fanfold.console.context import Desk, Setting, Shapes
from fanfold.console.pages import all_pages
from fanfold.console.sessions import PREFIX, Sessions
from fanfold.services.server_keys import ServerKeys
from fanfold.services.sign_in_links import SignInLinks
from fanfold.settings import Settings
from fanfold.stores.access import SqlAccess
from fanfold.stores.database import Database
from fanfold.stores.spans import SqlSpans

__all__ = ["PREFIX", "add_console", "shown_settings"]


def add_console(
    app: FastAPI, services: Services, database: Database, keys: ServerKeys, settings: Settings
) -> SignInLinks:
    """Mount the console, `/` leads to it; what makes links that sign in."""
    links = SignInLinks(SqlAccess(database), services.clock, keys.pepper)
    shapes = Shapes(
        job=lambda job: shown_job(services, job),
        draft=lambda caller, given: draft_from(services, caller, given),
        template=checked_template,
        status=status_of,
    )
    sessions = Sessions(services.access, links, keys.signer, services.public_url)
    desk = Desk(services, sessions, shapes, SqlSpans(database), shown_settings(settings))
    app.router.routes.append(Route("/", _to_console, methods=["GET"], include_in_schema=False))
    app.router.routes.append(Mount(PREFIX, make_console(desk, all_pages())))
    return links


def shown_settings(settings: Settings) -> tuple[Setting, ...]:
    """What the server was started with."""
    usual = Settings()
    return tuple(
        Setting(
            one.name,
            _text(getattr(settings, one.name), shown=one.repr),
            str(one.metadata["what"]),
            getattr(settings, one.name) == getattr(usual, one.name),
        )
        for one in fields(Settings)
    )


def _text(value: object, *, shown: bool) -> str:
    return str(value) if shown else "set" if value else ""


def _to_console(_request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", 302)
