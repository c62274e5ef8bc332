"""The application: routes, error answers, request ids, limits. Handed its services; knows no setting."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from fanfold import __version__
from fanfold.api import docs, problems
from fanfold.api.context import Services
from fanfold.api.hosts import HostGuard
from fanfold.api.metrics import Metrics
from fanfold.api.routes import auth, dev, events, files, jobs, logs, meta, wallet, webhooks
from fanfold.api.watch import Watch
from fanfold.errors import FanfoldError
from fanfold.wire.base import Detail


def make_app(services: Services, metrics: Metrics, hosts: HostGuard, *, operation_only: bool = False) -> FastAPI:
    """The REST door over these services; `operation_only`: whether it is alive and ready, and what it measures."""
    app = FastAPI(
        title="Fanfold",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=docs.operation_id,
    )
    app.state.services = services
    app.state.metrics = metrics
    if not operation_only:
        _include_all(app)
    app.include_router(meta.router)
    docs.describe(app)
    _answer_errors(app)
    app.add_middleware(Watch, metrics=metrics, hosts=hosts)
    return app


def _include_all(app: FastAPI) -> None:
    for routes in (jobs, logs, events, webhooks):
        app.include_router(routes.router, prefix="/v1/customer")
        app.include_router(routes.router, prefix="/v1/computing", include_in_schema=False)
    app.include_router(auth.router, prefix="/v1/auth")
    app.include_router(dev.router, prefix="/v1/dev")
    app.include_router(wallet.router, prefix="/v1/wallet")
    app.include_router(wallet.older, prefix="/v1/customer/wallet")
    app.include_router(files.router)


def _answer_errors(app: FastAPI) -> None:
    app.add_exception_handler(FanfoldError, problems.answer_error)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)


def _answer_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details = [Detail(field=".".join(str(part) for part in item["loc"]), reason=item["msg"]) for item in error.errors()]
    return problems.answer(400, "the request is not right", details)


_SAID = {404: "there is nothing at this path", 405: "this path does not know that method"}


def _answer_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = problems.answer(error.status_code, _SAID.get(error.status_code, str(error.detail)))
    response.headers.update(error.headers or {})
    return response
