"""Outside /v1: is it alive, is it ready, what does it measure."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from fanfold import __version__
from fanfold.api.context import Services, services_of
from fanfold.errors import Unavailable

router = APIRouter(tags=["operation"])


@router.get("/health")
def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/ready")
def ready(services: Annotated[Services, Depends(services_of)]) -> dict[str, Any]:
    """The database answers and the scheduler works; 503 otherwise."""
    services.store.counts()
    if not services.alive():
        raise Unavailable("the scheduler has stopped; see the server's log")
    return {"status": "ready"}


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """What Prometheus reads."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
