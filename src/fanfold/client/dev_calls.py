"""The calls for apps, engines and templates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fanfold.client.answers import reading
from fanfold.client.calls import part
from fanfold.client.errors import BadAnswer
from fanfold.client.exchange import Answer, Call
from fanfold.client.packing import Package
from fanfold.client.pages import Page, page_of
from fanfold.wire.base import Generic
from fanfold.wire.dev import (
    AppAnswer,
    AppsAnswer,
    Block,
    BlockStatusAnswer,
    EngineAnswer,
    EnginesAnswer,
    TemplateAnswer,
    TemplatesAnswer,
)

DEV = "/v1/dev"
TEMPLATES = f"{DEV}/templates"


class Kind(StrEnum):
    """Which blocks: apps, or engines (partitioners and assemblers)."""

    APP = "app"
    ENGINE = "engine"

    @property
    def path(self) -> str:
        """Where they are."""
        return f"{DEV}/{self.value}s"


@dataclass(frozen=True, slots=True)
class PushedBlock:
    """A block after a push, and a sentence for each key of its template that was ignored."""

    block: Block
    warnings: tuple[str, ...]


def _one(answer: Answer, kind: Kind) -> PushedBlock:
    if kind is Kind.APP:
        app = reading(AppAnswer)(answer)
        return PushedBlock(app.app, tuple(app.warnings))
    engine = reading(EngineAnswer)(answer)
    return PushedBlock(engine.engine, tuple(engine.warnings))


def _block(kind: Kind) -> Callable[[Answer], Block]:
    return lambda answer: _one(answer, kind).block


def _many(answer: Answer, kind: Kind) -> Page[Block]:
    if kind is Kind.APP:
        apps = reading(AppsAnswer)(answer)
        return page_of(apps.apps, apps.pagination)
    engines = reading(EnginesAnswer)(answer)
    return page_of(engines.engines, engines.pagination)


def push(kind: Kind, package: Package) -> Call[PushedBlock]:
    """POST /apps or /engines: not repeated when nobody knows whether it arrived."""
    return Call("POST", kind.path, lambda answer: _one(answer, kind), parts=package.parts(), safe=False)


def list_blocks(kind: Kind, public: bool, type_: str, limit: int, offset: int) -> Call[Page[Block]]:
    """GET /apps or /engines."""
    query = [("limit", str(limit)), ("offset", str(offset))]
    query += [("isPublic", "true")] if public else []
    query += [("type", type_)] if type_ else []
    return Call("GET", kind.path, lambda answer: _many(answer, kind), query=tuple(query))


def get_block(kind: Kind, tag: str) -> Call[Block]:
    """GET /apps/{tag} or /engines/{tag}."""
    return Call("GET", f"{kind.path}/{part(tag)}", _block(kind))


def block_status(kind: Kind, tag: str) -> Call[BlockStatusAnswer]:
    """GET .../status."""
    return Call("GET", f"{kind.path}/{part(tag)}/status", reading(BlockStatusAnswer))


def command(kind: Kind, tag: str, verb: str) -> Call[Block]:
    """POST .../activate, /deactivate, /publish or /unpublish: asking twice is asking once."""
    return Call("POST", f"{kind.path}/{part(tag)}/{verb}", _block(kind))


def import_block(kind: Kind, tag: str, owner: str) -> Call[Block]:
    """POST .../import."""
    return Call("POST", f"{kind.path}/{part(tag)}/import", _block(kind), query=_owner(owner))


def download_block(kind: Kind, block: Block) -> Call[bytes]:
    """GET .../download: the archive, checked by its hash."""

    def checked(answer: Answer) -> bytes:
        if base64.b64encode(hashlib.sha256(answer.body).digest()).decode() != block.hash:
            raise BadAnswer(f"the archive of '{block.name}@{block.version}' came damaged.", hint="Download it again.")
        return answer.body

    tag = f"{block.name}@{block.version}"
    return Call("GET", f"{kind.path}/{part(tag)}/download", checked, query=(("type", block.type),))


def delete_block(kind: Kind, tag: str) -> Call[Generic]:
    """DELETE /apps/{tag} or /engines/{tag}: a repeat would find nothing."""
    return Call("DELETE", f"{kind.path}/{part(tag)}", reading(Generic), safe=False)


def put_template(template: Mapping[str, Any]) -> Call[TemplateAnswer]:
    """POST /templates: overwrites, so asking twice is asking once."""
    return Call("POST", TEMPLATES, reading(TemplateAnswer), body=template)


def list_templates(public: bool, limit: int, offset: int) -> Call[TemplatesAnswer]:
    """GET /templates."""
    query = (("limit", str(limit)), ("offset", str(offset)), *((("isPublic", "true"),) if public else ()))
    return Call("GET", TEMPLATES, reading(TemplatesAnswer), query=query)


def get_template(template_id: str) -> Call[TemplateAnswer]:
    """GET /templates/{id}."""
    return Call("GET", f"{TEMPLATES}/{part(template_id)}", reading(TemplateAnswer))


def template_command(template_id: str, verb: str) -> Call[TemplateAnswer]:
    """POST /templates/{id}/publish or /unpublish."""
    return Call("POST", f"{TEMPLATES}/{part(template_id)}/{verb}", reading(TemplateAnswer))


def import_template(template_id: str, owner: str) -> Call[TemplateAnswer]:
    """POST /templates/{id}/import."""
    path = f"{TEMPLATES}/{part(template_id)}/import"
    return Call("POST", path, reading(TemplateAnswer), query=_owner(owner))


def delete_template(template_id: str) -> Call[Generic]:
    """DELETE /templates/{id}: a repeat would find nothing."""
    return Call("DELETE", f"{TEMPLATES}/{part(template_id)}", reading(Generic), safe=False)


def _owner(owner: str) -> tuple[tuple[str, str], ...]:
    return (("owner", owner),) if owner else ()
