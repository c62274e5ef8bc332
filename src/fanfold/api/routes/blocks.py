"""/v1/dev/apps and /v1/dev/engines: the same calls for both."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse

from fanfold.api.answers import audited, generic, page_of
from fanfold.api.auth import Developer, Reader
from fanfold.api.context import Services, services_of
from fanfold.api.pushes import PushedBody, pushed
from fanfold.api.translate import page_json
from fanfold.api.translate_dev import block_json
from fanfold.errors import BadInput, Problem
from fanfold.jobs.blocks import BlockType
from fanfold.ports.blocks import BlockFilter
from fanfold.wire.base import Generic
from fanfold.wire.dev import AppAnswer, AppsAnswer, BlockStatusAnswer, EngineAnswer, EnginesAnswer, PushRequest

router = APIRouter()

With = Annotated[Services, Depends(services_of)]
Kind = Annotated[str, Query(alias="type", max_length=16)]
Owner = Annotated[str, Query(max_length=128)]
Body = Annotated[PushedBody, Depends(pushed)]


@dataclass(frozen=True, slots=True)
class Group:
    """One of the two groups: its path, the word for one of it, the types of its blocks, the shapes of its answers."""

    path: str
    word: str
    types: tuple[BlockType, ...]
    one: type[Any]
    page: type[Any]

    def wanted(self, kind: str) -> tuple[BlockType, ...]:
        """The types that `?type=` leaves; BadInput for one that is not in the group."""
        if not kind:
            return self.types
        found = tuple(block_type for block_type in self.types if block_type.value == kind)
        if not found:
            known = ", ".join(f'"{block_type.value}"' for block_type in self.types)
            raise BadInput("the request is not right", [Problem("type", f"expected {known}, found {kind!r}")])
        return found


GROUPS = (
    Group("/apps", "app", (BlockType.APP,), AppAnswer, AppsAnswer),
    Group("/engines", "engine", (BlockType.PARTITIONER, BlockType.ASSEMBLER), EngineAnswer, EnginesAnswer),
)
VERBS = ("activate", "deactivate", "publish", "unpublish")


def _push(group: Group) -> Callable[..., Any]:
    def push(request: Request, caller: Developer, services: With, body: Body) -> Any:
        """Push a block, or a further revision of one; it is inactive until it is activated."""
        done = services.blocks.push(caller.account_id, group.types, body.beside, body.archive)
        audited(request, services, caller, f"{group.word}.push", done.block.tag, revision=done.block.revision)
        return {group.word: block_json(done.block, services.public_url), "warnings": list(done.warnings)}

    return push


def _list(group: Group) -> Callable[..., Any]:
    def listed(
        request: Request,
        caller: Reader,
        services: With,
        is_public: Annotated[bool, Query(alias="isPublic")] = False,
        kind: Kind = "",
    ) -> Any:
        """A page of the account's own and imported blocks, or of everybody's public ones, by name and version."""
        limit, offset = page_of(request)
        wanted = BlockFilter(caller.account_id, group.wanted(kind), is_public, limit, offset)
        found, total = services.blocks.listed(wanted)
        shown = [block_json(block, services.public_url) for block in found]
        return {f"{group.word}s": shown, "pagination": page_json(total, offset, len(found))}

    return listed


def _get(group: Group) -> Callable[..., Any]:
    def get(tag: str, caller: Reader, services: With, kind: Kind = "") -> Any:
        """One block by tag: own, imported or built-in; a tag that leaves the version open means the highest."""
        block = services.blocks.get(caller.account_id, group.wanted(kind), tag)
        return {group.word: block_json(block, services.public_url)}

    return get


def _status(group: Group) -> Callable[..., Any]:
    def status(tag: str, caller: Reader, services: With, kind: Kind = "") -> Any:
        """Whether new jobs may use a block."""
        return {"status": services.blocks.get(caller.account_id, group.wanted(kind), tag).status.value}

    return status


def _download(group: Group) -> Callable[..., Any]:
    def download(tag: str, caller: Reader, services: With, kind: Kind = "") -> FileResponse:
        """The archive byte for byte as it was pushed; `Content-Digest` has the block's hash."""
        block, path = services.blocks.archive(caller.account_id, group.wanted(kind), tag)
        is_zip = path.suffix == ".zip"
        return FileResponse(
            path,
            media_type="application/zip" if is_zip else "application/gzip",
            filename=f"{block.name}-{block.version}{'.zip' if is_zip else '.tar.gz'}",
            headers={
                "Content-Digest": f"sha-256=:{block.hash}:",
                "ETag": f'"{base64.b64decode(block.hash).hex()}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    return download


def _change(group: Group, verb: str) -> Callable[..., Any]:
    def change(tag: str, request: Request, caller: Developer, services: With, kind: Kind = "") -> Any:
        block = getattr(services.blocks, verb)(caller.account_id, group.wanted(kind), tag)
        audited(request, services, caller, f"{group.word}.{verb}", block.tag)
        return {group.word: block_json(block, services.public_url)}

    change.__doc__ = f"{verb.capitalize()} a block. Safe to repeat."
    return change


def _import(group: Group) -> Callable[..., Any]:
    def import_(
        tag: str, request: Request, caller: Developer, services: With, kind: Kind = "", owner: Owner = ""
    ) -> Any:
        """Pin another account's public block as it is now; `owner` says whose, where several have one."""
        block = services.blocks.import_(caller.account_id, group.wanted(kind), tag, owner)
        audited(request, services, caller, f"{group.word}.import", block.tag, owner=block.account_id)
        return {group.word: block_json(block, services.public_url)}

    return import_


def _delete(group: Group) -> Callable[..., Any]:
    def delete(tag: str, request: Request, caller: Developer, services: With, kind: Kind = "") -> Any:
        """Delete a block, or an import; 409 while an unfinished job needs it."""
        block = services.blocks.delete(caller.account_id, group.wanted(kind), tag)
        audited(request, services, caller, f"{group.word}.delete", block.tag)
        return generic(request)

    return delete


_PUSH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["archive"],
                    "properties": {
                        "archive": {
                            "type": "string",
                            "format": "binary",
                            "description": "The block as a zip or tar.gz: its folder, or what is in its `app` folder.",
                        },
                        **{
                            name: {"type": "string", "contentMediaType": "application/json"}
                            for name in ("manifest", "schema", "template")
                        },
                    },
                }
            },
            "application/json": {"schema": PushRequest.model_json_schema(by_alias=True)},
        },
    }
}


_ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The archive.", "content": {"application/zip": {}, "application/gzip": {}}}
}


def _add(group: Group) -> None:
    path, tagged = group.path, f"{group.path}/{{tag}}"

    def add(place: str, call: Callable[..., Any], method: str, shape: type[Any] | None, **more: Any) -> None:
        name = f"{group.word}_{call.__name__.strip('_')}"
        router.add_api_route(place, call, methods=[method], response_model=shape, **{"name": name, **more})

    add(path, _push(group), "POST", group.one, openapi_extra=_PUSH_BODY)
    add(path, _list(group), "GET", group.page)
    add(tagged, _get(group), "GET", group.one)
    add(f"{tagged}/status", _status(group), "GET", BlockStatusAnswer)
    add(f"{tagged}/download", _download(group), "GET", None, response_class=FileResponse, responses=_ARCHIVE)
    for verb in VERBS:
        add(f"{tagged}/{verb}", _change(group, verb), "POST", group.one, name=f"{group.word}_{verb}")
    add(f"{tagged}/import", _import(group), "POST", group.one)
    add(tagged, _delete(group), "DELETE", Generic)


for _group in GROUPS:
    _add(_group)
