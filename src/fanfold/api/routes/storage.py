"""/v1/auth/storage: what lies on the server's disk, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from fanfold.api.auth import Administrator
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.wire.storage import CollectAnswer, CollectRequest

router = APIRouter()

NAMED_AT_MOST = 1000

With = Annotated[Services, Depends(services_of)]
Wish = Annotated[CollectRequest, Depends(body_of(CollectRequest))]


@router.post("/storage/collect", response_model=CollectAnswer)
def collect_garbage(request: Request, caller: Administrator, services: With, body: Wish) -> Any:
    """Remove archives and programs that no block and no job needs any more, and uploads that were cut off or replaced,
    and environments that no job asked for in a month.
    With `dryRun` only tell them. What is new, one hour for blocks and 24 for uploads, is left alone. Safe to repeat."""
    collector = services.collector
    found = collector.look() if body.dry_run else collector.collect(caller, request.state.request_id)
    return {
        "dryRun": body.dry_run,
        "count": len(found),
        "sizeBytes": sum(garbage.size_bytes for garbage in found),
        "garbage": [
            {"kind": garbage.kind, "name": garbage.name, "sizeBytes": garbage.size_bytes}
            for garbage in found[:NAMED_AT_MOST]
        ],
    }
