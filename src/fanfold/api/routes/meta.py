"""Outside /v1: is it alive, is it ready, what does it measure."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse

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
    """The database answers, the scheduler works or waits for its turn, and the disk has room for new work; 503
    otherwise. Tells which role this process has, and which one's orchestrator works."""
    services.store.counts()
    if not services.alive():
        raise Unavailable("the scheduler has stopped; see the server's log")
    if said := services.space.shortage():
        raise Unavailable(said)
    stands = services.stands()
    lease = {"state": stands.standing.value, "active": stands.holder, "lease": stands.epoch}
    return {"status": "ready", "role": stands.role.value, "orchestrator": lease}


class Exposition(PlainTextResponse):
    """Prometheus' text format."""

    media_type = "text/plain; version=0.0.4"


@router.get("/metrics", response_class=Exposition)
def metrics(request: Request) -> Exposition:
    """What Prometheus reads."""
    return Exposition(request.app.state.metrics.text())
