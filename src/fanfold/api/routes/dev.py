"""/v1/dev: blocks, templates, caches."""

from __future__ import annotations

from fastapi import APIRouter

from fanfold import __version__
from fanfold.api.routes import blocks, caches, templates

router = APIRouter(tags=["dev"])
router.include_router(blocks.router)
router.include_router(templates.router)
router.include_router(caches.router)


@router.get("/info")
def info() -> dict[str, str]:
    """Version and greeting; no token needed."""
    return {"version": __version__, "message": "Fanfold: fan out, fold in"}
