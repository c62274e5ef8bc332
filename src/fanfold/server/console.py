"""The console beside the API, on the same services."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from fanfold.api.context import Services
from fanfold.api.problems import status_of
from fanfold.api.routes.templates import checked_template
from fanfold.api.submit import draft_from, shown_job
from fanfold.console.app import make_console
from fanfold.console.context import Desk, Shapes
from fanfold.console.pages import all_pages
from fanfold.console.sessions import PREFIX, Sessions
from fanfold.services.server_keys import ServerKeys
from fanfold.services.sign_in_links import SignInLinks
from fanfold.stores.access import SqlAccess
from fanfold.stores.database import Database
from fanfold.stores.spans import SqlSpans

__all__ = ["PREFIX", "add_console"]


def add_console(app: FastAPI, services: Services, database: Database, keys: ServerKeys) -> SignInLinks:
    """Mount the console, `/` leads to it; what makes links that sign in."""
    links = SignInLinks(SqlAccess(database), services.clock, keys.pepper)
    shapes = Shapes(
        job=lambda job: shown_job(services, job),
        draft=lambda caller, given: draft_from(services, caller, given),
        template=checked_template,
        status=status_of,
    )
    desk = Desk(
        services, Sessions(services.access, links, keys.signer, services.public_url), shapes, SqlSpans(database)
    )
    app.router.routes.append(Route("/", _to_console, methods=["GET"], include_in_schema=False))
    app.router.routes.append(Mount(PREFIX, make_console(desk, all_pages())))
    return links


def _to_console(_request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", 302)
